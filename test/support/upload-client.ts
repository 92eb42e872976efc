import { createUploadClient } from '../../src/client/index.ts'
import type {
  Upload,
  UploadClient,
  UploadClientOptions,
  UploadOptions,
} from '../../src/client/types.ts'
import { ann, type Harness, MiB } from './harness.ts'

/** Creates a client of ann with parts of 1 MiB. It records its waits instead of waiting. */
export function uploadClient(harness: Harness, options: Partial<UploadClientOptions> = {}) {
  const waits: number[] = []
  const client = createUploadClient({
    gateway: harness.gateway.url,
    getToken: () => harness.issuer.token(ann),
    cosScheme: 'http',
    partSize: MiB,
    clock: harness.clock,
    wait: async (ms, signal) => {
      signal.throwIfAborted()
      waits.push(ms)
    },
    ...options,
  })
  return { ...client, waits }
}

/** Starts an upload that has begun and is paused. */
export function pausedUpload(
  client: UploadClient,
  source: Blob,
  options: UploadOptions,
): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const upload = client.upload(source, { ...options, onConfirmKey: () => resolve(upload) })
    upload.pause()
    upload.done.catch(reject)
  })
}

/** The number of uploads that have begun in SMH. */
export function begun(harness: Harness): number {
  return begins(harness).length
}

/** How the uploads have begun that SMH has accepted. */
export function begins(harness: Harness): string[] {
  return harness.smhCalls().flatMap(({ route, status }) => {
    return /^begin-/.test(route ?? '') && status === 201 ? [String(route)] : []
  })
}

/** The status of COS's response to each part, in the order of arrival. */
export function partStatuses({ emulator }: Harness): (number | null)[] {
  const calls = emulator.controls.calls().filter(({ route }) => route === 'put-part')
  return calls.map(({ status }) => status)
}

/** The status of COS's response to each part and each whole file, in the order of arrival. */
export function cosStatuses({ emulator }: Harness): (number | null)[] {
  const calls = emulator.controls.calls().filter(({ route }) => /^put-(part|object)$/.test(route))
  return calls.map(({ status }) => status)
}

/** The numbers of the parts that were sent to COS, sorted. */
export function sentNumbers({ emulator }: Harness): number[] {
  const calls = emulator.controls.calls().filter(({ route }) => route === 'put-part')
  return calls.map(({ query }) => Number(query.partNumber)).sort((one, other) => one - other)
}

export async function storedBytes(harness: Harness, ...path: string[]): Promise<Buffer> {
  const stored = harness.emulator.controls.readFile('-', ['users', 'ann', ...path])
  return Buffer.from(await new Response(stored).arrayBuffer())
}

/** Returns an `onProgress` that runs `act` once, at the first progress beyond `bytes`. */
export function beyond(bytes: number, act: () => void) {
  let done = false
  return ({ sentBytes }: { sentBytes: number }) => {
    if (done || sentBytes <= bytes) return
    done = true
    act()
  }
}
