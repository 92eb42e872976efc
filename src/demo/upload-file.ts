import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { crc64Of, cutIntoParts, FileFault, openFile, type Part, readBytes } from './file-parts.ts'
import { createGatewayCalls, GatewayRefusal, type Grant, type StoredFile } from './gateway-calls.ts'
import { PassingFault, retrying } from './retry.ts'

const MIB = 1024 * 1024

export interface UploadOptions {
  gatewayUrl: string
  /** The user's JWT, asked for before each call to the gateway. */
  token: () => Promise<string>
  /** On this machine. */
  file: string
  /** Where the user wants it. */
  path: string
  /** Real COS is `https`, the default. */
  cosScheme?: 'http' | 'https'
  /** 4 MiB unless told; larger by itself where 10,000 parts would not suffice. */
  partBytes?: number
  /** Parts on their way at the same time; 4 unless told. */
  parallel?: number
  /** Called once the upload has begun. */
  onBegin?: (upload: { size: number; parts: number; received: string[] }) => void
  /** Bytes on their way or arrived; fewer than before when a part has to be sent again. */
  onProgress?: (bytes: number) => void
  /** Gives the upload up: it is aborted through the gateway. */
  signal?: AbortSignal
  /** Milliseconds; by it credentials are renewed before they end. */
  clock?: () => number
  /** Before a part is sent for the second time; 500 ms unless told, doubled each time. */
  firstDelayMs?: number
}

export interface UploadedFile {
  size: number
  /** CRC-64/XZ of the local file, decimal. */
  crc64: string
  stored: StoredFile
}

/**
 * Uploads one file as any client of the gateway does: begin, parts straight to COS, complete. Bytes
 * are streamed from disk, so memory stays the same however large the file is.
 *
 * @throws FileFault when the file cannot be used
 * @throws GatewayRefusal or another Error when the upload failed; it has been aborted then
 */
export async function uploadFile(options: UploadOptions): Promise<UploadedFile> {
  const { handle, size } = await openFile(options.file)
  const dispatcher = new Agent({ connections: options.parallel ?? 4 })
  try {
    return await uploadOpened(options, handle, size, dispatcher)
  } finally {
    await dispatcher.destroy()
    await handle.close()
  }
}

async function uploadOpened(
  options: UploadOptions,
  handle: FileHandle,
  size: number,
  dispatcher: Agent,
): Promise<UploadedFile> {
  const { cosScheme = 'https', parallel = 4, clock = Date.now, firstDelayMs = 500 } = options
  const failed = new AbortController()
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])])
  signal.throwIfAborted()
  const gateway = createGatewayCalls({ ...options, dispatcher, firstDelayMs, signal })
  const parts = cutIntoParts(size, options.partBytes ?? 4 * MIB)

  const begun = await gateway.begin({ path: options.path, size })
  const { confirmKey } = begun.credentials
  const received = Object.keys(begun.credentials)
  options.onBegin?.({ size, parts: parts.length, received })
  const keeper = keepCredentials(begun, () => gateway.renew(confirmKey), clock)

  let bytesSent = 0
  const sent = (bytes: number) => {
    bytesSent += bytes
    options.onProgress?.(bytesSent)
  }

  /** One attempt. The sum of what it reports is 0 unless it succeeds. */
  async function putPart(part: Part): Promise<void> {
    const grant = await keeper.current()
    const { domain, path, uploadId, headers } = grant.credentials
    const query = `uploadId=${encodeURIComponent(uploadId)}&partNumber=${part.number}`
    let reported = 0
    let ended = false
    async function* counted() {
      for await (const chunk of readBytes(handle, part)) {
        // A chunk may still be on its way from the disk when COS has said no already.
        if (ended) return
        reported += chunk.length
        sent(chunk.length)
        yield chunk
      }
    }
    try {
      const reply = await request(`${cosScheme}://${domain}${path}?${query}`, {
        method: 'PUT',
        headers: { ...headers, 'Content-Length': String(part.end - part.start) },
        body: Readable.from(counted(), { objectMode: false }),
        dispatcher,
        signal,
      })
      const text = await reply.body.text()
      if (reply.statusCode === 200) return
      throw await faultOf(reply.statusCode, text, () => keeper.renew(grant))
    } catch (error) {
      ended = true
      sent(-reported)
      throw asPartFault(error)
    }
  }

  const waiting = parts.values()
  async function sendParts(): Promise<void> {
    for (const part of waiting) {
      signal.throwIfAborted()
      await retrying(() => putPart(part), { firstDelayMs, signal })
    }
  }

  const checksum = crc64Of(handle, size, signal)
  const work = [checksum, ...Array.from({ length: parallel }, sendParts)]
  try {
    await Promise.all(work)
    const crc64 = await checksum
    return { size, crc64, stored: await gateway.complete(confirmKey, crc64) }
  } catch (error) {
    failed.abort(error)
    await Promise.allSettled(work)
    // Whatever went wrong is worth more than a word on why it could not be tidied up as well.
    await gateway.abort(confirmKey).catch(() => {})
    throw options.signal?.aborted ? options.signal.reason : error
  }
}

/** Hands out credentials that still work, and renews them for all parts at once. */
function keepCredentials(first: Grant, renew: () => Promise<Grant>, clock: () => number) {
  const dated = (grant: Grant) => {
    // A minute for the gateway to answer, less where the whole life is short.
    const marginMs = Math.min(60_000, grant.lifetimeMs / 10)
    return { ...grant, renewAt: clock() + grant.lifetimeMs - marginMs }
  }
  let grant = dated(first)
  let renewing: Promise<void> | undefined

  async function renewed(used: Grant) {
    if (used === grant) {
      renewing ??= renew()
        .then((next) => {
          grant = dated(next)
        })
        .finally(() => {
          renewing = undefined
        })
      await renewing
    }
    return grant
  }

  return {
    current: async () => (clock() < grant.renewAt ? grant : renewed(grant)),
    /** Another part may have had `used` renewed already. */
    renew: renewed,
  }
}

/** What COS's refusal of a part means (SMH §11.3). Expired credentials are renewed first. */
async function faultOf(status: number, text: string, renew: () => Promise<unknown>) {
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? `status ${status}`
  const message = `COS refuses a part: ${code}`
  // Which 403s are expiry is told by wording alone, so each is met with fresh credentials.
  if (status === 403 || code === 'ExpiredToken') {
    await renew()
    return new PassingFault(message, { afterMs: 0 })
  }
  const passing = [408, 409, 429].includes(status) || status >= 500
  const torn = ['BadDigest', 'IncompleteBody', 'RequestTimeout', 'UserNetworkTooSlow']
  return passing || torn.includes(code) ? new PassingFault(message) : new CosRefusal(message)
}

/** COS's refusal of a part that will not go better next time. */
class CosRefusal extends Error {}

/** The network's faults pass; what the gateway, COS or the file itself had to say stands. */
function asPartFault(error: unknown): unknown {
  const stands = [FileFault, CosRefusal, GatewayRefusal, PassingFault]
  if (stands.some((kind) => error instanceof kind)) return error
  return new PassingFault('COS cannot be reached', { cause: error })
}
