/** Longest name of one level, in characters (docs/smh-protocol.md#9). */
export const MAX_NAME_CHARACTERS = 255

/**
 * Most levels of a path, the user's folder and the file's name included. A begin makes every folder that
 * is missing, and no abort removes them, so one request would make hundreds. SMH publishes no limit.
 */
export const MAX_LEVELS = 32

/** docs/smh-protocol.md#9, the characters of `IllegalFileName`. A slash never gets here: it separates levels. */
const forbidden = /[\\/:*?"<>|]/

/**
 * A slash, backslash or NUL that some later decoder would turn into the real one, however often it
 * has been encoded. SMH accepts both spellings of a slash (docs/smh-protocol.md#2.1), so a name must hold neither.
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

/** Whether `key`, in lower case, may follow `x-smh-meta-` (docs/smh-protocol.md#5.1 asks for lower-case names). */
export function isMetadataKey(key: string): boolean {
  return /^[a-z0-9][a-z0-9._-]*$/.test(key)
}

/** Whether `value` can be the id of a space in a multi-tenant library (contract §4, docs/smh-protocol.md#2.1). */
export function isClaimedSpaceId(value: unknown): value is string {
  // A lone hyphen is SMH's name for a single-tenant library's only space, so it is nobody's own.
  return typeof value === 'string' && /^[\w-]{1,128}$/.test(value) && value !== '-'
}
