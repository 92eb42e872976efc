/** Longest name of one level, in characters (docs/smh-protocol.md#9). */
export const MAX_NAME_CHARACTERS = 255

/** Longest path, in characters. SMH publishes no limit; this one is the gateway's own (docs/smh-protocol.md#9). */
export const MAX_PATH_CHARACTERS = 1024

/**
 * Most levels of a path, the user's folder and the file's name included. A begin makes every folder that
 * is missing, and no abort removes them, so one request would make hundreds. SMH publishes no limit.
 */
export const MAX_LEVELS = 32

/** docs/smh-protocol.md#9, the characters of `IllegalFileName`. A slash never gets here: it separates levels. */
const forbidden = /[\\/:*?"<>|]/

/**
 * A slash, backslash or NUL that some later decoder would turn into the real one, however often it
 * has been encoded. SMH accepts both spellings of a slash (§2.1), so a name must hold neither.
 */
const encodedSeparator = /%(?:25)*(?:2f|5c|00)/i

const encodedDot = /%(?:25)*2e/gi

/** Slashes both ways, and the signs like them that NFKC does not turn into one. */
const slashLike = /[/\\\u2044\u2215\u2216\u29f5\u29f8]/

/**
 * Why `name` cannot be the name of one level in SMH, in a few words fit for a caller, or undefined
 * when it can (docs/smh-protocol.md#9). Does not normalise: give it the NFC form.
 */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'has an empty segment'
  if (!name.isWellFormed()) return 'is not well-formed Unicode'
  // Look-alikes are good for names; they may not come to a way out, should anybody replace them.
  const plain = name.normalize('NFKC').replace(encodedDot, '.')
  if (plain.split(slashLike).some((part) => part === '.' || part === '..')) {
    return 'has a dot segment'
  }
  if (/\p{Cc}/u.test(name)) return 'has a control character'
  if (forbidden.test(name)) return 'has one of the characters \\ / : * ? " < > |'
  if (encodedSeparator.test(name)) return 'has an encoded slash, backslash or NUL'
  if (/^\s|\s$/u.test(name)) return 'has a segment that starts or ends with a space'
  if (name.endsWith('.')) return 'has a segment that ends with a dot'
  if ([...name].length > MAX_NAME_CHARACTERS) {
    return `has a segment of more than ${MAX_NAME_CHARACTERS} characters`
  }
  return undefined
}

/**
 * Splits a slash-separated path into its names in NFC, or says what is wrong with it. One leading
 * slash is let pass, as SMH does (§2.1).
 */
export function parsePath(path: string): { names: string[] } | { fault: string } {
  const tooLong = { fault: `has more than ${MAX_PATH_CHARACTERS} characters` }
  // Before it is composed: that takes the square of the time for marks in a long row.
  if (isTooLong(path)) return tooLong
  const composed = path.normalize('NFC')
  // It may be three times as long now.
  if (isTooLong(composed)) return tooLong
  const names = composed.replace(/^\//, '').split('/')
  for (const name of names) {
    const fault = nameFault(name)
    if (fault) return { fault }
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

/** Whether `key`, in lower case, may follow `x-smh-meta-` (docs/smh-protocol.md#5.1 asks for lower-case names). */
export function isMetadataKey(key: string): boolean {
  return /^[a-z0-9][a-z0-9._-]*$/.test(key)
}

/** Whether `value` can be the id of a space in a multi-tenant library (contract §4, docs/smh-protocol.md#2.1). */
export function isClaimedSpaceId(value: unknown): value is string {
  // A lone hyphen is SMH's name for a single-tenant library's only space, so it is nobody's own.
  return typeof value === 'string' && /^[\w-]{1,128}$/.test(value) && value !== '-'
}
