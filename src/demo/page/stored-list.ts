import type { StoredFile } from '../../client/index.ts'
import { type DemoUser, readStored, type Stored } from './demo-server.ts'
import { at, make } from './elements.ts'
import { inBytes, inFiles } from './format.ts'

type How = 'sent' | 'instant'

/** More files than these are only counted. */
const MAX_SHOWN = 30

/** How this browser stored the file at each path. The checksum shows whether it is still the same. */
type Seen = Record<string, { crc64: string; how: How }>

const keyOf = ({ id }: DemoUser) => `stored:${id}`
const seenBy = (user: DemoUser): Seen => JSON.parse(localStorage.getItem(keyOf(user)) ?? '{}')

/** Records in this browser how a file was stored. */
export function rememberStored(user: DemoUser, { path, crc64 }: StoredFile, how: How): void {
  const seen = { ...seenBy(user), [path.join('/')]: { crc64, how } }
  localStorage.setItem(keyOf(user), JSON.stringify(seen))
}

/** Creates the list of files that SMH stores for one user at a time. */
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
      // While the demo does not respond, the list stays as it is. The page shows a notice.
      const files = await readStored(user).catch(() => undefined)
      // Only the latest request counts: it may be for another user.
      if (files && request === requests) fill(user, files)
    },
  }

  function fill(user: DemoUser, files: readonly Stored[]): void {
    const seen = seenBy(user)
    // Rebuilt only when it differs, because a rebuild closes an open checksum.
    const now = JSON.stringify([user.id, files, seen])
    if (now === shown) return
    shown = now
    at('whose').textContent = user.name
    at('nothing').hidden = files.length > 0
    const items = files.slice(0, MAX_SHOWN).map((file) => itemOf(file, seen))
    const more = files.length - items.length
    if (more > 0) items.push(make('li', { className: 'quiet' }, `and ${inFiles(more)} more`))
    at('stored').replaceChildren(...items)
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
    make('span', { className: how ? 'good' : 'quiet' }, describe(size, how)),
    make('details', {}, summary, make('code', {}, `CRC64 ${crc64}`)),
  )
}

function describe(size: number, how: How | undefined): string {
  if (how === 'sent') return `${inBytes(size)} verified`
  if (how === 'instant') return `${inBytes(size)} matched by hash`
  return inBytes(size)
}
