import { retryAfterMs } from './clock.ts'
import { UploadError } from './errors.ts'
import type { UploadCredentials } from './gateway-types.ts'
import type { PartReply, SendPart } from './send-part.ts'

/** A connection that has died must not hold a part for ever; a slow one has to have its time. */
const LEAST_TIMEOUT_MS = 5 * 60_000
const SLOWEST_BYTES_PER_MS = 10

/** Faults of the connection that COS answers 400 to (docs/smh-protocol.md#11.3); another try may succeed. */
const TORN = ['BadDigest', 'IncompleteBody', 'RequestTimeout', 'UserNetworkTooSlow']

interface PartUpload {
  credentials: UploadCredentials
  number: number
  body: Blob
  signal: AbortSignal
  onSent: (bytes: number) => void
}

/** Sends one part once, and gives what COS says its checksum is, if a page may read that. */
export type PutPart = (part: PartUpload) => Promise<bigint | undefined>

/**
 * @param scheme `http` is for a COS stand-in on the same machine
 * @param respondingHosts gets each host that has answered
 */
export function createPutPart(
  scheme: 'https' | 'http',
  send: SendPart,
  respondingHosts: Set<string>,
): PutPart {
  return async ({ credentials, number, body, signal, onSent }) => {
    const { domain, path, uploadId, headers } = credentials
    const timeoutMs = LEAST_TIMEOUT_MS + Math.ceil(body.size / SLOWEST_BYTES_PER_MS)
    const request = {
      url: `${scheme}://${domain}${path}?uploadId=${encodeURIComponent(uploadId)}&partNumber=${number}`,
      headers: allowed(headers),
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      onSent,
    }
    const reply = await send(request).catch((cause) => {
      signal.throwIfAborted()
      throw new UploadError('network', 'COS cannot be reached.', { cause, retryable: true })
    })
    respondingHosts.add(domain)
    if (reply.status !== 200) throw refusalOf(reply)
    const checksum = reply.header('x-cos-hash-crc64ecma') ?? ''
    return /^\d{1,20}$/.test(checksum) ? BigInt(checksum) : undefined
  }
}

/** Whether COS will go on with fresh credentials: which 403s are expiry only the wording tells. */
export function isExpiry({ status, cosCode }: UploadError): boolean {
  return status === 403 || cosCode === 'ExpiredToken'
}

/** Browsers refuse these names in a request; they set them themselves. */
function allowed(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(host|content-length)$/i.test(name)),
  )
}

function refusalOf({ status, text, header }: PartReply): UploadError {
  const cosCode = /<Code>(\w+)<\/Code>/.exec(text)?.[1]
  const passing = [408, 409, 429].includes(status) || status >= 500
  return new UploadError('cos', `COS refuses a part: ${cosCode ?? `status ${status}`}.`, {
    status,
    cosCode,
    requestId: header('x-cos-request-id') ?? undefined,
    retryable: passing || (cosCode !== undefined && TORN.includes(cosCode)),
    retryAfterMs: retryAfterMs({ get: header }),
  })
}
