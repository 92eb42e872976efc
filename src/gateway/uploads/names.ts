import { validateName } from '../name-rules.ts'

/** Longest path, in characters. SMH publishes no limit; this one is the gateway's own (docs/smh-protocol.md#9). */
export const MAX_PATH_CHARACTERS = 1024

/**
 * Splits a slash-separated path into its names in NFC, or says what is wrong with it. One leading
 * slash is allowed, as in SMH (docs/smh-protocol.md#2.1).
 */
export function parsePath(path: string): { names: string[] } | { issue: string } {
  const tooLong = { issue: `has more than ${MAX_PATH_CHARACTERS} characters` }
  // Before it is composed: that takes the square of the time for marks in a long row.
  if (isTooLong(path)) return tooLong
  const composed = path.normalize('NFC')
  // It may be three times as long now.
  if (isTooLong(composed)) return tooLong
  const names = composed.replace(/^\//, '').split('/')
  for (const name of names) {
    const issue = validateName(name)
    if (issue !== undefined) return { issue }
  }
  return { names }
}

function isTooLong(path: string): boolean {
  // A character takes one or two places of `length`.
  if (path.length <= MAX_PATH_CHARACTERS) return false
  return path.length > 2 * MAX_PATH_CHARACTERS || [...path].length > MAX_PATH_CHARACTERS
}

/**
 * A claim's value as (part of) one folder name. Injective, so that two values never share a folder,
 * and closed: the result holds only `a-z 0-9 _ - . =` and never starts or ends with a dot.
 *
 * Everything else becomes `=XX`, one pair of hex digits for each UTF-8 byte. Capital letters are
 * encoded too, because nothing says that SMH tells `Ann` from `ann`; `=` stands in for the usual `%`
 * so that no decoder on the way can turn a name into another.
 *
 * @returns undefined for a value that has no UTF-8 form (lone surrogates) or is empty
 */
export function folderName(value: string): string | undefined {
  if (value === '' || !value.isWellFormed()) return undefined
  let name = ''
  for (const byte of new TextEncoder().encode(value)) {
    const character = String.fromCharCode(byte)
    name += /[a-z0-9_.-]/.test(character)
      ? character
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return name.replace(/^\.|\.$/g, '=2E')
}
