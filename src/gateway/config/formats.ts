import { isClaimedSpaceId, isMetadataKey, validateName } from '../name-rules.ts'
import { list, matching, reader, setOf } from './readers.ts'
import { conceal } from './secret.ts'
import { parseTrustworthyUrl } from './secure-url.ts'

/** Formats that only one or two variables use. */

const loopback = '(http only for a loopback address)'

/** The library id is a label of the default endpoint's host name (RFC 1123 §2.1). */
export const libraryId = matching(
  'up to 63 letters, digits and hyphens',
  /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/,
)

export const spaceId = reader('- or up to 128 letters, digits, _ and -', (text) =>
  text === '-' || isClaimedSpaceId(text) ? text : undefined,
)

export const claimName = matching(
  'the name of a claim, of letters, digits and _ . : / -',
  /^[\w.:/-]+$/,
)

/** RFC 6749 §3.3 has the characters of a scope. */
export const scope = matching('one scope, without spaces', /^[\x21\x23-\x5b\x5d-\x7e]+$/)

export const apiOrigin = reader(
  `an https origin without path, query, fragment and credentials ${loopback}`,
  (text) => {
    const url = parseTrustworthyUrl(text)
    return url && !/[?#]/.test(text) && url.pathname === '/' ? url.origin : undefined
  },
)

/** Keeps the issuer as it is written, because the `iss` claim is compared character by character. */
export const issuerUrl = reader(
  `an https URL without query, fragment and credentials ${loopback}`,
  // OpenID Connect Core 1.0 §2: an issuer has no query and no fragment.
  (text) => (parseTrustworthyUrl(text) && !/[?#]/.test(text) ? text : undefined),
)

export const keySetUrl = reader(
  `an https URL without credentials ${loopback}`,
  (text) => parseTrustworthyUrl(text)?.href,
)

/** RFC 7518 §3.1, RFC 8037 §3.1 and RFC 9864 §2.2. Algorithms with a shared secret are left out. */
const asymmetricAlgorithms: readonly string[] = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]

export const algorithms = list(`one or more of ${asymmetricAlgorithms.join(', ')}`, (item) =>
  asymmetricAlgorithms.find((algorithm) => algorithm === item),
)

export type ConflictStrategy = 'ask' | 'rename' | 'overwrite'

export const conflictStrategies = setOf<ConflictStrategy>(
  'one or more of rename, ask, overwrite',
  (item) => (['rename', 'ask', 'overwrite'] as const).find((strategy) => strategy === item),
)

export const extensions = setOf('extensions such as jpg or .mp4, without further dots', (item) => {
  const extension = item.normalize('NFC').toLowerCase().replace(/^\./, '')
  return /[.\s]/.test(extension) || validateName(extension) !== undefined ? undefined : extension
})

export const metadataKeys = setOf('names of letters, digits and . _ -', (item) =>
  isMetadataKey(item.toLowerCase()) ? item.toLowerCase() : undefined,
)

export const confirmKeySecrets = list('one or more secrets of at least 32 bytes', (item) =>
  new TextEncoder().encode(item).length >= 32 ? conceal(item) : undefined,
)

/** https://www.iana.org/assignments/uri-schemes/prov/redis, without a query. */
export const redisUrl = reader(
  'a redis or rediss URL, such as rediss://user:password@host:6379/0, with special characters percent-encoded',
  (text) => (isRedisUrl(text) ? conceal(text) : undefined),
)

function isRedisUrl(text: string): boolean {
  if (!/^rediss?:\/\/[^?#]+$/.test(text) || !URL.canParse(text)) return false
  const { hostname, pathname, username, password } = new URL(text)
  try {
    decodeURIComponent(username + password)
  } catch {
    return false
  }
  return hostname !== '' && /^(\/\d{0,4})?$/.test(pathname)
}

export const webOrigins = setOf('origins such as https://app.example.com', (item) =>
  // No wildcard: the URL parser lets an asterisk be part of a host name.
  /^https?:[^*]+$/.test(item) && URL.canParse(item) && new URL(item).origin === item
    ? item
    : undefined,
)
