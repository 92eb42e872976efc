import { validateName } from '../name-rules.ts'

/**
 * Maximum length of a path, in characters. SMH publishes no limit, so the gateway sets this one
 * (docs/smh-protocol.md#9).
 */
export const MAX_PATH_CHARACTERS = 1024

/**
 * Splits a slash-separated path into its names in NFC, or returns the issue. One leading slash is allowed,
 * as in SMH (docs/smh-protocol.md#2.1).
 */
export function parsePath(path: string): { names: string[] } | { issue: string } {
  const tooLong = { issue: `has more than ${MAX_PATH_CHARACTERS} characters` }
  // Checked before the normalization, whose time is quadratic in the number of consecutive combining marks.
  if (isTooLong(path)) return tooLong
  const composed = path.normalize('NFC')
  // Normalization may make the path up to three times as long.
  if (isTooLong(composed)) return tooLong
  const names = composed.replace(/^\//, '').split('/')
  for (const name of names) {
    const issue = validateName(name)
    if (issue !== undefined) return { issue }
  }
  return { names }
}

function isTooLong(path: string): boolean {
  // `length` counts a character as one or two.
  if (path.length <= MAX_PATH_CHARACTERS) return false
  return path.length > 2 * MAX_PATH_CHARACTERS || [...path].length > MAX_PATH_CHARACTERS
}

/**
 * Encodes the value of a claim as one folder name, or a part of one. Two values never have the same name.
 * The result contains only `a-z 0-9 _ - . =` and never starts or ends with a dot.
 *
 * Everything else becomes `=XX`, one pair of hex digits for each UTF-8 byte. Capital letters are encoded
 * too, because SMH may not distinguish `Ann` from `ann`. `=` replaces the usual `%`, so that no URL decoder
 * changes a name.
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
