import { MIB } from './parts.ts'
import { readChunks } from './source.ts'

/** Instant upload does not support smaller files. */
export const MIN_INSTANT_BYTES = MIB

/**
 * Length of a segment. SMH's hash is chained: each segment is hashed together with the hash of all earlier
 * ones.
 */
const SEGMENT_BYTES = MIB
const HASH_BYTES = 32

/** Whether WebCrypto is available. Browsers provide it only in secure contexts. */
export function canHash(): boolean {
  return globalThis.crypto?.subtle !== undefined
}

/** SHA-256 of the first MiB. SMH uses it to find files that may be equal. */
export function beginningHash(source: Blob, signal: AbortSignal): Promise<string> {
  return fullHash(source.slice(0, SEGMENT_BYTES), signal)
}

/**
 * SMH's hash of a whole file: SHA-256 of each MiB, preceded by the raw hash of everything before it.
 * WebCrypto computes outside the main thread, which copies 1 MiB at a time, so a page stays responsive.
 */
export async function fullHash(source: Blob, signal: AbortSignal): Promise<string> {
  const input = new Uint8Array(HASH_BYTES + SEGMENT_BYTES)
  // The first segment has no hash in front.
  let start = HASH_BYTES
  let end = HASH_BYTES
  async function hashSegment() {
    input.set(new Uint8Array(await crypto.subtle.digest('SHA-256', input.subarray(start, end))))
    start = 0
    end = HASH_BYTES
  }
  for await (const chunk of readChunks(source, signal)) {
    for (let taken = 0; taken < chunk.length; ) {
      if (end === input.length) await hashSegment()
      const piece = chunk.subarray(taken, taken + input.length - end)
      input.set(piece, end)
      taken += piece.length
      end += piece.length
    }
  }
  await hashSegment()
  return hexOf(input.subarray(0, HASH_BYTES))
}

/** The bytes as lower-case hex digits. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
