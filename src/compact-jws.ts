import { base64url } from 'jose'

/** base64url in its one spelling (RFC 4648 §3.5): no padding, and the bits to spare are zero. */
const part = '(?:[\\w-]{4})*(?:[\\w-]{4}|[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])'

/** A missing signature is for jose to refuse, by the algorithm that the header names. */
const compact = new RegExp(`^(${part})\\.(${part})\\.(?:${part})?$`)

/** A byte order mark stays, for JSON.parse to refuse. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Whether `token` is a JWS in compact form whose header and payload are JSON objects that name each
 * member once, all of it in its one spelling.
 *
 * jose takes other spellings and the last of several members, as RFC 7519 §4 allows. Whoever else
 * reads the token, such as a proxy in front, may take the first.
 */
export function isStrictCompactJws(token: string): boolean {
  const [, header, payload] = compact.exec(token) ?? []
  return [header, payload].every((each) => each !== undefined && isStrictObject(each))
}

function isStrictObject(encoded: string): boolean {
  try {
    const json = utf8.decode(base64url.decode(encoded))
    const value: unknown = JSON.parse(json)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    return Object.keys(value).length === namedMembers(json)
  } catch {
    return false
  }
}

/** How many members the outermost object of this valid JSON names, twins included. */
function namedMembers(json: string): number {
  let depth = 0
  let names = 0
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else if (token === ':' && depth === 1) names += 1
  }
  return names
}
