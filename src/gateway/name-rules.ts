/** Maximum length of one level of a path, in characters (docs/smh-protocol.md#9). */
export const MAX_NAME_CHARACTERS = 255

/**
 * Maximum number of levels of a path, including the user's folder and the file's name. SMH publishes no
 * limit. A begin creates all missing folders, and abort does not remove them.
 */
export const MAX_LEVELS = 32

/** The characters of `IllegalFileName` (docs/smh-protocol.md#9). */
const forbidden = /[\\/:*?"<>|]/

/**
 * A slash, backslash or NUL that is encoded once or several times. SMH also accepts an encoded slash as
 * a separator (docs/smh-protocol.md#2.1), so a name must contain neither form.
 */
const encodedSeparator = /%(?:25)*(?:2f|5c|00)/i

const encodedDot = /%(?:25)*2e/gi

/** Slash, backslash, and similar characters that NFKC does not convert into them. */
const slashLike = /[/\\\u2044\u2215\u2216\u29f5\u29f8]/

/**
 * What is wrong with `name` as the name of one level in SMH (docs/smh-protocol.md#9). The text is for
 * clients and does not quote the name. Undefined for a valid name. Expects the NFC form.
 */
export function validateName(name: string): string | undefined {
  if (name === '') return 'has an empty segment'
  if (!name.isWellFormed()) return 'is not well-formed Unicode'
  // Similar characters are valid, but must not form a dot segment after a later normalization.
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

/** Headers of metadata start with it, in lower case. */
export const METADATA_PREFIX = 'x-smh-meta-'

/** Whether `key` may follow `x-smh-meta-`, which needs lower-case names (docs/smh-protocol.md#5.1). */
export function isMetadataKey(key: string): boolean {
  return /^[a-z0-9][a-z0-9._-]*$/.test(key)
}

/** Whether a header of this name, in lower case, is one that {@link readMetadata} takes. */
export function isMetadataHeader(name: string): boolean {
  return name.startsWith(METADATA_PREFIX) && isMetadataKey(name.slice(METADATA_PREFIX.length))
}

/** Whether `value` can be the id of a space in a multi-tenant library (docs/smh-protocol.md#2.1). */
export function isClaimedSpaceId(value: unknown): value is string {
  // A single hyphen is the only space of a single-tenant library, so a user cannot own it.
  return typeof value === 'string' && /^[\w-]{1,128}$/.test(value) && value !== '-'
}
