import { retryAfterMs } from './clock.ts'
import { UploadError } from './errors.ts'
import type { UploadCredentials } from './gateway-types.ts'
import type { PartReply, SendPart } from './send-part.ts'

/**
 * A part times out after 5 minutes plus its time at 10 KB/s. Otherwise a broken connection would hold a
 * permit indefinitely.
 */
const MIN_TIMEOUT_MS = 5 * 60_000
const MIN_BYTES_PER_MS = 10

/** Codes of status 400 that a broken connection causes (docs/smh-protocol.md#11.3). A retry may succeed. */
const CONNECTION_CODES = ['BadDigest', 'IncompleteBody', 'RequestTimeout', 'UserNetworkTooSlow']

interface PartUpload {
  credentials: UploadCredentials
  number: number
  body: Blob
  signal: AbortSignal
  onSent: (bytes: number) => void
}

/** Sends one part once, or the whole file of a simple upload. Returns its checksum as COS reports it, if the page may read that header. */
export type PutPart = (part: PartUpload) => Promise<bigint | undefined>

/**
 * @param scheme `http` only for an emulator of COS on the same machine
 * @param respondingHosts collects each host that has responded
 */
export function createPutPart(
  scheme: 'https' | 'http',
  send: SendPart,
  respondingHosts: Set<string>,
): PutPart {
  return async ({ credentials, number, body, signal, onSent }) => {
    const { domain, path, uploadId, headers } = credentials
    const timeoutMs = MIN_TIMEOUT_MS + Math.ceil(body.size / MIN_BYTES_PER_MS)
    const query =
      uploadId === undefined ? '' : `?uploadId=${encodeURIComponent(uploadId)}&partNumber=${number}`
    const request = {
      url: `${scheme}://${domain}${path}${query}`,
      headers: allowed(headers),
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      onSent,
    }
    const reply = await send(request).catch((cause) => {
      signal.throwIfAborted()
      throw new UploadError('network', 'COS is not reachable.', { cause, retryable: true })
    })
    respondingHosts.add(domain)
    if (reply.status !== 200) throw rejectionOf(reply)
    const checksum = reply.header('x-cos-hash-crc64ecma') ?? ''
    return /^\d{1,20}$/.test(checksum) ? BigInt(checksum) : undefined
  }
}

/** Whether new credentials may help. COS distinguishes expiry from other 403s only by its message. */
export function isExpiry({ status, cosCode }: UploadError): boolean {
  return status === 403 || cosCode === 'ExpiredToken'
}

/** Without the headers that browsers set and do not let a script set. */
function allowed(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(host|content-length)$/i.test(name)),
  )
}

function rejectionOf({ status, text, header }: PartReply): UploadError {
  const cosCode = /<Code>(\w+)<\/Code>/.exec(text)?.[1]
  const isTemporary = [408, 409, 429].includes(status) || status >= 500
  return new UploadError('cos', `COS rejected a part: ${cosCode ?? `status ${status}`}.`, {
    status,
    cosCode,
    requestId: header('x-cos-request-id') ?? undefined,
    retryable: isTemporary || (cosCode !== undefined && CONNECTION_CODES.includes(cosCode)),
    retryAfterMs: retryAfterMs({ get: header }),
  })
}
