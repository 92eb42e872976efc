import {
  createUploadClient,
  describeUpload,
  fileSize,
  type OpenUpload,
  UploadError,
} from '../../client/index.ts'
import { type DemoUser, readToken } from './demo-server.ts'
import { at } from './elements.ts'
import { inBytes } from './format.ts'
import type { ResumeLink } from './resume-link.ts'

export interface ResumeCardOptions {
  gatewayUrl: string
  users: readonly DemoUser[]
  /** Signs the visitor in as another user. */
  signIn: (user: DemoUser) => void
  continueWith: (file: File, confirmKey: string) => void
}

/** Creates the card that asks for the file of an upload from another browser. */
export function createResumeCard(options: ResumeCardOptions) {
  const { gatewayUrl, users, signIn, continueWith } = options
  const card = at('resume')
  const input = at<HTMLInputElement>('resume-file')
  let wanted: ResumeLink | undefined
  let user: DemoUser | undefined
  let owner: DemoUser | undefined

  function show(title: string, text: string, { mayChoose = false, maySwitch = false } = {}): void {
    at('resume-title').textContent = title
    at('resume-text').textContent = text
    at('resume-choose').hidden = !mayChoose
    at('resume-switch').hidden = !maySwitch
    at('resume-switch').textContent = `Sign in as ${owner?.name}`
    at('resume-fault').textContent = ''
    card.hidden = false
  }

  /** Asks the gateway for the upload's status. Only the gateway knows who owns the upload. */
  async function look(): Promise<void> {
    if (!wanted || !user) return
    const [asked, askedAs] = [wanted, user]
    const { confirmKey, name, size } = asked
    const client = createUploadClient({ gateway: gatewayUrl, getToken: () => readToken(askedAs) })
    show(`Continue ${name}`, 'Checking which parts have arrived.')
    const status = await client.status(confirmKey).catch((error: unknown) => error)
    if (asked !== wanted || askedAs !== user) return
    if (status instanceof Error) {
      refuse(status, asked, askedAs)
      return
    }
    const { confirmed, parts = [] } = status as Awaited<ReturnType<typeof client.status>>
    if (confirmed) {
      show(`${name} is already stored`, 'Nothing is left to send.')
      return
    }
    const arrived = parts.reduce((sum, part) => sum + part.size, 0)
    show(
      `Choose ${name} (${fileSize(size)}) to continue`,
      `${fileSize(arrived)} has arrived and is not sent again. You can also drop the file here.`,
      { mayChoose: true },
    )
  }

  function refuse(error: Error, { name, user: id }: ResumeLink, askedAs: DemoUser): void {
    if (!(error instanceof UploadError && error.code === 'upload_not_found')) {
      show(`${name} cannot be continued now`, describeUpload(error))
      return
    }
    owner = users.find((each) => each.id === id && each !== askedAs)
    const text = owner
      ? `It belongs to ${owner.name}. The gateway does not show it to ${askedAs.name}.`
      : `It does not belong to ${askedAs.name}, or it has ended.`
    show('This upload is not yours', text, { maySwitch: owner !== undefined })
  }

  function choose(file: File | undefined): void {
    if (!wanted || !file) return
    const { name, size, confirmKey } = wanted
    if (file.name !== name || file.size !== size) {
      at('resume-fault').textContent =
        `You chose ${file.name} with ${inBytes(file.size)}. This upload needs ${name} with ${inBytes(size)}.`
      return
    }
    continueWith(file, confirmKey)
    close()
  }

  function close(): void {
    wanted = undefined
    card.hidden = true
  }

  input.addEventListener('change', () => {
    choose(input.files?.[0])
    input.value = '' // so that the same file can be chosen again
  })
  at('resume-switch').addEventListener('click', () => owner && signIn(owner))
  at('resume-close').addEventListener('click', close)

  return {
    open(link: ResumeLink): void {
      wanted = link
      void look()
    },
    /** Whether the card is open for this upload. */
    isFor: ({ confirmKey }: OpenUpload) => wanted?.confirmKey === confirmKey,
    setUser(next: DemoUser): void {
      user = next
      void look()
    },
    /** Whether a file dropped on the card is for it. */
    takes: (target: EventTarget | null) =>
      target instanceof Node && card.contains(target) && !at('resume-choose').hidden,
    choose,
  }
}
