import { MIB } from './parts.ts'
import { readChunks } from './source.ts'

/** Smaller files take no part in instant upload. */
export const LEAST_INSTANT_BYTES = MIB

/** What SMH's hash goes on by, and the length of the hash in front of each. */
const SEGMENT_BYTES = MIB
const HASH_BYTES = 32

/** WebCrypto exists only where the page came over a secure connection. */
export function canHash(): boolean {
  return globalThis.crypto?.subtle !== undefined
}

/** SHA-256 of the first MiB, by which SMH tells whether it may have the file. */
export function beginningHash(source: Blob, signal: AbortSignal): Promise<string> {
  return fullHash(source.slice(0, SEGMENT_BYTES), signal)
}

/**
 * SMH's hash of a whole file: SHA-256 of each MiB, with the raw hash of everything before it in front.
 * WebCrypto computes off the main thread, which only copies 1 MiB at a time, so a page stays quick.
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
  const hash = input.subarray(0, HASH_BYTES)
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
