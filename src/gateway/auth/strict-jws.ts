import { base64url } from 'jose'
import { countOuterMembers } from '../json-depth.ts'

/** base64url in its canonical form (RFC 4648 §3.5): no padding, and the unused bits are zero. */
const part = '(?:[\\w-]{4})*(?:[\\w-]{4}|[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])'

/** An empty signature is allowed here, because jose rejects it. */
const compact = new RegExp(`^(${part})\\.(${part})\\.(?:${part})?$`)

/** Keeps a byte order mark, so that JSON.parse rejects it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Maximum length of a token, checked before any other work. It is half of Node's limit for all headers, and
 * several times the size of a token with many claims.
 */
export const MAX_TOKEN_CHARACTERS = 8 * 1024

/** Maximum depth of a header or payload. Claims need a few levels; parsing deep ones costs CPU time. */
export const MAX_NESTING = 32

/**
 * Whether `token` is a JWS in compact form, in its canonical encoding, whose header and payload are JSON
 * objects without duplicate members, within {@link MAX_TOKEN_CHARACTERS} and {@link MAX_NESTING}.
 *
 * jose accepts other encodings and uses the last of duplicate members, as RFC 7519 §4 allows. Another
 * reader of the token, such as a proxy, may use the first.
 */
export function isStrictCompactJws(token: string): boolean {
  if (token.length > MAX_TOKEN_CHARACTERS) return false
  const [, header, payload] = compact.exec(token) ?? []
  return [header, payload].every((each) => each !== undefined && isStrictObject(each))
}

function isStrictObject(encoded: string): boolean {
  try {
    const json = utf8.decode(base64url.decode(encoded))
    const names = countOuterMembers(json, MAX_NESTING)
    if (names === undefined) return false
    const value: unknown = JSON.parse(json)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    return Object.keys(value).length === names
  } catch {
    return false
  }
}
