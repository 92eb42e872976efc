import { createUploadClient, UploadError } from '../client/client.ts'
import { readToken } from './demo-server.ts'
import { at } from './elements.ts'
import { inUnits, inWords } from './words.ts'

/** An upload that is to be gone on with, as a link names it. */
export interface Handover {
  confirmKey: string
  name: string
  size: number
  user: string
}

/** A link to go on elsewhere. All of it is in the fragment, which no server gets to see. */
export function linkTo({ confirmKey, name, size, user }: Handover): string {
  const fields = { continue: confirmKey, name, size: String(size), user }
  return `${location.origin}/#${new URLSearchParams(fields)}`
}

/** What the address asks for, if it does; the address forgets it, and so does the history. */
export function takeHandover(): Handover | undefined {
  const fields = new URLSearchParams(location.hash.slice(1))
  const confirmKey = fields.get('continue')
  if (!confirmKey) return undefined
  history.replaceState(null, '', location.pathname)
  return {
    confirmKey,
    name: fields.get('name') ?? '',
    size: Number(fields.get('size')),
    user: fields.get('user') ?? '',
  }
}

export interface HandoverCardOptions {
  gatewayUrl: string
  users: readonly string[]
  /** Makes the visitor somebody else. */
  become: (user: string) => void
  goOn: (file: File, confirmKey: string) => void
}

/** The card that asks for the file of an upload that was begun elsewhere. */
export function createHandoverCard({ gatewayUrl, users, become, goOn }: HandoverCardOptions) {
  const card = at('handover')
  const input = at<HTMLInputElement>('handover-file')
  let wanted: Handover | undefined
  let user = ''

  function show(title: string, text: string, { mayChoose = false, owner = '' } = {}): void {
    at('handover-title').textContent = title
    at('handover-text').textContent = text
    at('handover-choose').hidden = !mayChoose
    at('handover-switch').hidden = owner === ''
    at('handover-switch').textContent = `Sign in as ${owner}`
    tellFault('')
    card.hidden = false
  }

  function tellFault(text: string): void {
    at('handover-fault').textContent = text
  }

  /** Asks the gateway, which alone knows whose upload it is. */
  async function look(): Promise<void> {
    if (!wanted) return
    const [asked, askedAs] = [wanted, user]
    const { confirmKey, name, size } = asked
    const client = createUploadClient({ gateway: gatewayUrl, getToken: () => readToken(askedAs) })
    show(`Go on with ${name}`, 'Asking the gateway how far it has got.')
    const status = await client.status(confirmKey).catch((error: unknown) => error)
    if (asked !== wanted || askedAs !== user) return
    if (status instanceof Error) {
      refuse(status)
      return
    }
    const { confirmed, parts = [] } = status as Awaited<ReturnType<typeof client.status>>
    if (confirmed) {
      show(`${name} is stored already`, 'There is nothing left to send.')
      return
    }
    const arrived = parts.reduce((sum, part) => sum + part.size, 0)
    show(
      `Choose ${name} (${inUnits(size)}) to go on`,
      `${inUnits(arrived)} of it has arrived, and is not sent again. Or drop the file here.`,
      { mayChoose: true },
    )
  }

  function refuse(error: Error): void {
    const { name, user: owner } = wanted!
    const notFound = error instanceof UploadError && error.code === 'upload_not_found'
    if (!notFound) {
      show(`${name} cannot be gone on with now`, inWords(error, user))
      return
    }
    const other = owner !== user && users.includes(owner) ? owner : ''
    const text = other
      ? `The gateway knows no such upload of ${user}: it is ${other}'s, and nobody else's.`
      : `It is not ${user}'s, or it has ended.`
    show('This upload is not yours', text, { owner: other })
  }

  function choose(file: File | undefined): void {
    if (!wanted || !file) return
    const { name, size, confirmKey } = wanted
    if (file.name !== name || file.size !== size) {
      const given = `${file.name} (${inUnits(file.size)})`
      tellFault(`That is ${given}, another file. ${name} has ${size.toLocaleString('en')} bytes.`)
      return
    }
    try {
      goOn(file, confirmKey)
      close()
    } catch (error) {
      tellFault(inWords(error, user))
    }
  }

  function close(): void {
    wanted = undefined
    card.hidden = true
  }

  input.addEventListener('change', () => {
    choose(input.files?.[0])
    input.value = '' // so that the same file can be chosen again
  })
  for (const type of ['dragover', 'dragleave', 'drop'] as const) {
    card.addEventListener(type, (event) => {
      event.preventDefault()
      card.classList.toggle('over', type === 'dragover')
      if (type === 'drop' && !at('handover-choose').hidden) choose(event.dataTransfer?.files[0])
    })
  }
  at('handover-switch').addEventListener('click', () => wanted && become(wanted.user))
  at('handover-close').addEventListener('click', close)

  return {
    open(handover: Handover): void {
      wanted = handover
      void look()
    },
    /** To be told who the visitor is, at first and whenever that changes. */
    setUser(name: string): void {
      user = name
      void look()
    },
  }
}
