import { createGateway, type GatewayOptions } from './api.ts'
import { beginUpload, fileDetails, resumeUpload } from './begin.ts'
import { createBeginPacer } from './begin-pacer.ts'
import { createStopwatch } from './clock.ts'
import { createPutPart } from './cos.ts'
import { MIB, partsAtOnce } from './parts.ts'
import { createRetrying } from './retry.ts'
import { createSemaphore } from './semaphore.ts'
import { sendByNode } from './send-by-node.ts'
import { sendByFetch, sendByXhr } from './send-part.ts'
import { SIMPLE_MAX_BYTES } from './simple.ts'
import { type StartTask, type StateKeeper, startUnwatched } from './state.ts'
import type { Upload, UploadClient, UploadClientOptions } from './types.ts'
import { type StartOptions, startUpload, type UploadServices } from './upload.ts'
import { wait as waitByTimer } from './wait.ts'

export { UploadError, type UploadErrorCode } from './errors.ts'
export type { OpenUpload, StoredFile, UploadStatus } from './gateway-types.ts'
export { describeUpload, fileSize, type UploadMessageKey, type UploadMessages } from './messages.ts'
export { defaultPartSize } from './parts.ts'
export type * from './types.ts'

/** How many uploads begin or resume at the same time. Each may hash a file, which takes CPU and disk. */
const BEGINS_IN_PARALLEL = 4
const MAX_PART_BYTES = 5 * 1024 * MIB

/**
 * Creates a client that uploads files through the gateway. It works in browsers, in their workers, and in
 * Node with `fs.openAsBlob`. It reads files in small chunks, so large files need little memory.
 *
 * @example
 * const client = createUploadClient({ gateway: 'https://uploads.example.com', getToken })
 * const upload = client.upload(file, {
 *   path: `holiday/${file.name}`,
 *   onConfirmKey: (key) => localStorage.setItem('upload', key),
 *   onProgress: ({ sentBytes, totalBytes }) => show(sentBytes / totalBytes),
 * })
 * const stored = await upload.done
 *
 * @throws RangeError when a number is out of range, TypeError when `gateway` is not a URL
 */
export function createUploadClient(options: UploadClientOptions): UploadClient {
  const { servicesFor, gateway } = createServices(options)
  const begins = createSemaphore(BEGINS_IN_PARALLEL)
  const running = new Map<Upload, { source: Blob; target: string }>()

  /** Returns the running upload of this file to this target, or starts one. */
  function joinOrStart(source: Blob, target: string, start: () => Upload): Upload {
    for (const [upload, other] of running) {
      if (upload.aborted) continue
      const key = `key ${upload.confirmKey}`
      if (other.source === source && [other.target, key].includes(target)) return upload
    }
    const upload = start()
    const forget = () => running.delete(upload)
    running.set(upload, { source, target })
    upload.done.then(forget, forget)
    return upload
  }

  return {
    upload: (source, options) =>
      joinOrStart(source, `path ${options.path}`, () => {
        const start: StartOptions['start'] = (services, signal) =>
          begins.run(() => beginUpload(services, source, options, signal), signal)
        // SMH keeps the details that begin has sent.
        return startUpload(servicesFor, { source, start, details: {}, options })
      }),

    resume: (confirmKey, source, options = {}) =>
      joinOrStart(source, `key ${confirmKey}`, () => {
        const start: StartOptions['start'] = (services, signal) =>
          begins.run(() => resumeUpload(services, confirmKey, source, options, signal), signal)
        const details = fileDetails(options)
        return startUpload(servicesFor, { source, confirmKey, start, details, options })
      }),

    list: () => gateway.list(new AbortController().signal),
    status: (confirmKey) => gateway.status(confirmKey, new AbortController().signal),
    abort: (confirmKey) => gateway.abort(confirmKey),
  }
}

function createServices(options: UploadClientOptions) {
  const { getToken, partsInParallel, partSize, cosScheme = 'https' } = options
  if (!isWhole(partsInParallel, 1, Infinity)) {
    throw new RangeError('partsInParallel must be a whole number of at least 1.')
  }
  if (!isWhole(partSize, MIB, MAX_PART_BYTES)) {
    throw new RangeError('partSize must be a whole number of bytes between 1 MiB and 5 GiB.')
  }
  // Browsers throw when `fetch` is called as a method of another object.
  const fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  const byRuntime = 'XMLHttpRequest' in globalThis ? sendByXhr : sendByNode()
  const retryingOf = (startTask: StartTask) =>
    createRetrying(options.retry ?? {}, options.wait ?? waitByTimer, startTask)
  const now = createStopwatch(options.clock && [options.clock])
  const pacer = createBeginPacer(now)
  const address = new URL(options.gateway, globalThis.location?.href)
  const target = { gateway: address, getToken, fetch, pacer }
  const gatewayOf = (retrying: GatewayOptions['retrying']) => createGateway({ ...target, retrying })
  const respondingHosts = new Set<string>()
  const send = (!options.fetch && byRuntime) || sendByFetch(fetch)
  const shared = {
    putPart: createPutPart(cosScheme, send, respondingHosts),
    respondingHosts,
    partPermits: createSemaphore(partsInParallel ?? partsAtOnce(Infinity)),
    partsInParallel,
    partBytes: partSize,
    hashWorker: options.hashWorker,
    instant: { refused: false },
    simple: { maxBytes: SIMPLE_MAX_BYTES },
    now,
  }

  return {
    gateway: gatewayOf(retryingOf(startUnwatched)),
    servicesFor({ start }: StateKeeper): UploadServices {
      const startTask = () => start()
      const retrying = retryingOf(startTask)
      const renewal = gatewayOf(retryingOf(() => start({ reason: 'credentials' })))
      return { ...shared, gateway: gatewayOf(retrying), renewal, retrying, startTask }
    },
  }
}

function isWhole(number: number | undefined, min: number, max: number): boolean {
  return number === undefined || (Number.isInteger(number) && number >= min && number <= max)
}
