import type { StoredFile } from '../client/client.ts'
import { readStored, type Stored } from './demo-server.ts'
import { at, make } from './elements.ts'
import { inUnits } from './words.ts'

type How = 'sent' | 'instant'

/** How this browser saw a file being stored, by its path; the checksum tells when it is another. */
type Seen = Record<string, { crc64: string; how: How }>

const keyOf = (user: string) => `stored:${user}`
const seenBy = (user: string): Seen => JSON.parse(localStorage.getItem(keyOf(user)) ?? '{}')

/** Remembers in this browser how a file came to be stored. */
export function rememberStored(user: string, { path, crc64 }: StoredFile, how: How): void {
  const seen = { ...seenBy(user), [path.join('/')]: { crc64, how } }
  localStorage.setItem(keyOf(user), JSON.stringify(seen))
}

/** Shows what SMH has of one user at a time. */
export function createStoredList() {
  let shownFor = ''

  return {
    async show(user: string): Promise<void> {
      if (shownFor !== user) fill(user, [])
      shownFor = user
      // While the demo does not answer, which the page tells, what was shown stays.
      const files = await readStored(user).catch(() => undefined)
      // Somebody else may be shown by now.
      if (files && shownFor === user) fill(user, files)
    },
  }
}

function fill(user: string, files: readonly Stored[]): void {
  const seen = seenBy(user)
  at('whose').textContent = user
  at('nothing').hidden = files.length > 0
  at('stored').replaceChildren(
    ...files.map((file) => {
      const path = file.path.join('/')
      const before = seen[path]
      const how = before?.crc64 === file.crc64 ? before.how : undefined
      return make(
        'li',
        {},
        make('span', { className: 'name' }, path),
        make('span', { className: 'quiet' }, inUnits(file.size)),
        make('span', { className: how ? 'good' : 'quiet' }, wordsOf(file, how)),
      )
    }),
  )
}

function wordsOf({ crc64 }: Stored, how: How | undefined): string {
  if (how === 'sent') return `CRC64 ${crc64}: equal to the local file's`
  if (how === 'instant') return `CRC64 ${crc64}: instant, SMH had these bytes`
  return `CRC64 ${crc64}`
}
