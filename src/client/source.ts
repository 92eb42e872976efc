import { crc64 } from './crc64.ts'
import { UploadError } from './errors.ts'
import { nodeProcess } from './node-process.ts'

/** Limits how much is processed in one step: a few milliseconds of work. */
const PIECE_BYTES = 64 * 1024
/** Smaller blobs are read at once. In browsers a stream costs more than their bytes. */
const STREAM_BYTES = 1024 * 1024
/** After this long the reader lets other tasks run, so that a page stays responsive. */
const YIELD_INTERVAL_MS = 8

/**
 * Reads a blob in small chunks, which takes little memory and lets other tasks run in between. Browsers
 * deliver buffered chunks without a pause, so the pauses are made here. A chunk is valid only until the
 * next one is requested.
 *
 * @throws UploadError `source_changed` when the file behind the blob is no longer as it was
 */
export async function* readChunks(blob: Blob, signal: AbortSignal) {
  let left = blob.size
  let lastYield = performance.now()
  for await (const chunk of readBlob(blob, signal)) {
    left -= chunk.length
    for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
      yield chunk.subarray(start, start + PIECE_BYTES)
      if (performance.now() - lastYield < YIELD_INTERVAL_MS) continue
      await otherTasks()
      lastYield = performance.now()
    }
    release(chunk)
  }
  if (left !== 0) throw new UploadError('source_changed', 'The size of the file has changed.')
}

async function* readBlob(blob: Blob, signal: AbortSignal) {
  signal.throwIfAborted()
  if (blob.size <= STREAM_BYTES) {
    yield new Uint8Array(await blob.arrayBuffer().catch(throwUnreadable))
    return
  }
  // Not every browser supports async iteration of streams. Reading into one buffer (`mode: 'byob'`) would take less
  // memory, but Chromium 156 crashes after some hundred such streams.
  const reader = blob.stream().getReader()
  try {
    for (;;) {
      signal.throwIfAborted()
      const { done, value } = await reader.read().catch(throwUnreadable)
      if (done) return
      yield value
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

function throwUnreadable(cause: unknown): never {
  throw new UploadError('source_changed', 'The file is no longer readable.', { cause })
}

/**
 * Frees the memory of a chunk at once, on Node. The garbage collector would let about 64 MiB of chunks
 * accumulate. Chromium frees it only with the garbage, which it then collects later: twice as much accumulates.
 */
export function release({ buffer, byteLength }: Uint8Array<ArrayBuffer>): void {
  // A chunk may be a view of a larger buffer that is still in use.
  if (nodeProcess() && byteLength === buffer.byteLength) buffer.transfer?.(0)
}

/** Resolves in a new task. A timer would be throttled in background tabs. */
function otherTasks(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}

/** The checksum of a blob. */
export async function crc64Of(blob: Blob, signal: AbortSignal): Promise<bigint> {
  let crc = 0n
  for await (const bytes of readChunks(blob, signal)) crc = crc64(bytes, crc)
  return crc
}

/** Checks that the file still exists and has not changed. Reading one byte is enough. */
export async function checkReadable(blob: Blob, signal: AbortSignal): Promise<void> {
  await crc64Of(blob.slice(0, 1), signal)
}
