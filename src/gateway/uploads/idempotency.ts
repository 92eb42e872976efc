import { createHash } from 'node:crypto'
import { invalidField } from '../errors.ts'
import type { Idempotency } from '../ledger/ledger.ts'
import type { PermittedUpload, WantedUpload } from '../smh/upload.ts'

/** A structured field string (RFC 9651 §3.3.3). Only `"` and `\` are escaped. */
const quoted = /^"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/

const visibleAscii = /^[\x21-\x7e]{1,255}$/

/**
 * Reads an `Idempotency-Key`: 1 to 255 visible ASCII characters, quoted (draft-ietf-httpapi-idempotency-key-header)
 * or bare, as many clients send it. Both forms of one text are the same key.
 *
 * @param header undefined without the header
 * @throws GatewayError `invalid_request`
 */
export function readIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  // The optional white space of HTTP. `trim` would also drop other characters.
  const value = header.replace(/^[ \t]+|[ \t]+$/g, '')
  const key = value.startsWith('"')
    ? quoted.exec(value)?.[1]?.replaceAll(/\\(["\\])/g, '$1')
    : value
  if (key !== undefined && visibleAscii.test(key)) return key
  throw invalidField('Idempotency-Key', 'must be 1 to 255 visible ASCII characters')
}

/**
 * The hashes of a keyed begin. The order of fields, explicit defaults, and the place of metadata (header or body)
 * make no difference.
 *
 * @param operation requests of different operations are different, even with the same fields
 * @param wanted as requested, before the policy lowered a limit
 */
export function idempotencyOf(
  key: string,
  operation: string,
  { path: _, ...wanted }: WantedUpload,
  { scope, path, metadata }: PermittedUpload,
): Idempotency {
  const { preferSameOrigin, ...fields } = wanted
  // False is the default.
  const preference = preferSameOrigin ? { preferSameOrigin } : {}
  const request = [
    operation,
    scope.spaceId,
    path,
    sorted({ ...fields, ...preference }),
    sorted(metadata),
  ]
  return { key: sha256(key), fingerprint: sha256(JSON.stringify(request)) }
}

function sorted(fields: object): [name: string, value: unknown][] {
  const present = Object.entries(fields).filter(([, value]) => value !== undefined)
  return present.sort(([a], [b]) => (a < b ? -1 : 1))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
