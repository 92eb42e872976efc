import type { StoredFile } from '../../client/index.ts'
import { type DemoUser, readStored, type Stored } from './demo-server.ts'
import { at, make } from './elements.ts'
import { inBytes } from './format.ts'

type How = 'sent' | 'instant'

/** How this browser saw a file being stored, by its path; the checksum tells when it is another. */
type Seen = Record<string, { crc64: string; how: How }>

const keyOf = ({ id }: DemoUser) => `stored:${id}`
const seenBy = (user: DemoUser): Seen => JSON.parse(localStorage.getItem(keyOf(user)) ?? '{}')

/** Remembers in this browser how a file came to be stored. */
export function rememberStored(user: DemoUser, { path, crc64 }: StoredFile, how: How): void {
  const seen = { ...seenBy(user), [path.join('/')]: { crc64, how } }
  localStorage.setItem(keyOf(user), JSON.stringify(seen))
}

/** Shows what SMH has of one user at a time. */
export function createStoredList() {
  let shownFor: DemoUser | undefined
  let shown = ''
  let requests = 0

  return {
    async show(user: DemoUser): Promise<void> {
      if (shownFor !== user) fill(user, [])
      shownFor = user
      requests += 1
      const request = requests
      // While the demo does not answer, which the page tells, what was shown stays.
      const files = await readStored(user).catch(() => undefined)
      // A later request, of another user perhaps, has the newer list.
      if (files && request === requests) fill(user, files)
    },
  }

  function fill(user: DemoUser, files: readonly Stored[]): void {
    const seen = seenBy(user)
    // Built again only when it differs: a checksum may be open.
    const now = JSON.stringify([user.id, files, seen])
    if (now === shown) return
    shown = now
    at('whose').textContent = user.name
    at('nothing').hidden = files.length > 0
    at('stored').replaceChildren(...files.map((file) => itemOf(file, seen)))
  }
}

function itemOf({ path, size, crc64 }: Stored, seen: Seen): HTMLLIElement {
  const name = path.join('/')
  const before = seen[name]
  const how = before?.crc64 === crc64 ? before.how : undefined
  const summary = make('summary', {}, 'Checksum')
  summary.setAttribute('aria-label', `Checksum of ${name}`)
  return make(
    'li',
    {},
    make('span', { className: 'name' }, name),
    make('span', { className: how ? 'good' : 'quiet' }, wordsOf(size, how)),
    make('details', {}, summary, make('code', {}, `CRC64 ${crc64}`)),
  )
}

function wordsOf(size: number, how: How | undefined): string {
  if (how === 'sent') return `${inBytes(size)} verified`
  if (how === 'instant') return `${inBytes(size)} matched by hash`
  return inBytes(size)
}
