import { crc64 } from './crc64.ts'
import { UploadError } from './errors.ts'

/** What is worked on at once takes a few milliseconds at most. */
const PIECE_BYTES = 64 * 1024
/** After so long a page has its turn. */
const TURN_MS = 8

/**
 * The bytes of a blob, a little at a time: it takes little memory, and keeps nothing else waiting. What
 * was given is gone once the next is asked for.
 * Browsers give what they have read without a pause in between, so the pauses are made here.
 *
 * @throws UploadError `source_changed` when the file behind the blob is no longer as it was
 */
export async function* readChunks(blob: Blob, signal: AbortSignal) {
  // Not every browser can iterate over a stream.
  const reader = blob.stream().getReader()
  let left = blob.size
  let turnBegan = performance.now()
  try {
    for (;;) {
      signal.throwIfAborted()
      const { done, value } = await reader.read().catch((cause) => {
        throw new UploadError('source_changed', 'The file can no longer be read.', { cause })
      })
      if (done) break
      left -= value.length
      for (let start = 0; start < value.length; start += PIECE_BYTES) {
        yield value.subarray(start, start + PIECE_BYTES)
        if (performance.now() - turnBegan < TURN_MS) continue
        await otherTasks()
        turnBegan = performance.now()
      }
      release(value)
    }
  } finally {
    reader.cancel().catch(() => {})
  }
  if (left !== 0) throw new UploadError('source_changed', 'The file has another size now.')
}

/**
 * Gives back the memory of a chunk that nobody needs any more, where the runtime can. Left to the garbage
 * collector, some 64 MiB of them come together before it looks.
 */
export function release({ buffer, byteLength }: Uint8Array<ArrayBuffer>): void {
  // Of a chunk that is part of something larger, others may be the rest.
  if (byteLength === buffer.byteLength) buffer.transfer?.(0)
}

/** Resolves in a task of its own; a timer would be slowed down in pages that nobody looks at. */
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

/** Finds out whether the file is still there as it was: reading any of it tells. */
export async function checkReadable(blob: Blob, signal: AbortSignal): Promise<void> {
  await crc64Of(blob.slice(0, 1), signal)
}
