import { createHash } from 'node:crypto'
import { createCRC64 } from 'hash-wasm'

/** Digests of bytes: MD5 as lower-case hex, CRC64 in decimal (docs/smh-protocol.md#10.2). */
export interface Digests {
  size: number
  md5: string
  crc64: string
}

type Crc64Hasher = Awaited<ReturnType<typeof createCRC64>>

// A new WebAssembly instance costs more than the digest of a small part.
const idleHashers: Crc64Hasher[] = []

/** Computes size, MD5 and CRC64 of bytes that arrive in chunks. */
export async function createDigester() {
  const crc64 = idleHashers.pop() ?? (await createCRC64())
  const md5 = createHash('md5')
  let size = 0
  crc64.init()
  return {
    update(chunk: Uint8Array) {
      md5.update(chunk)
      crc64.update(chunk)
      size += chunk.byteLength
    },
    digest(): Digests {
      const value = BigInt(`0x${crc64.digest('hex')}`)
      idleHashers.push(crc64)
      return { size, md5: md5.digest('hex'), crc64: value.toString() }
    },
  }
}

/** The CRC-64/XZ polynomial, reflected: the highest bit is x^0 (docs/smh-protocol.md#10.2). */
const POLYNOMIAL = 0xc96c5795d7870f42n
const ONE = 1n << 63n

function multiply(left: bigint, right: bigint): bigint {
  let product = 0n
  let shifted = right
  for (let bit = ONE; bit > 0n; bit >>= 1n) {
    if (left & bit) product ^= shifted
    shifted = shifted & 1n ? (shifted >> 1n) ^ POLYNOMIAL : shifted >> 1n
  }
  return product
}

/** x^(8 * bytes). A CRC times this factor is the CRC before that many zero bytes. */
function shiftBy(bytes: number): bigint {
  let power = ONE
  let square = ONE >> 8n
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square)
    square = multiply(square, square)
  }
  return power
}

/** CRC64 of consecutive blobs, from the CRC64 of each blob. */
export function combineCrc64(blobs: readonly { size: number; crc64: string }[]): string {
  // Most parts of an upload have the same size, so the expensive factor is computed once.
  const shifts = new Map<number, bigint>()
  let combined = 0n
  for (const { size, crc64 } of blobs) {
    // Zero stays zero. So a file of one blob needs no factor.
    if (combined !== 0n) {
      const shift = shifts.get(size) ?? shiftBy(size)
      shifts.set(size, shift)
      combined = multiply(shift, combined)
    }
    combined ^= BigInt(crc64)
  }
  return combined.toString()
}

/**
 * ETag of an object that consists of parts: MD5 over the binary MD5s of the parts, and their
 * number.
 */
export function multipartETag(parts: readonly { md5: string }[]): string {
  const hash = createHash('md5')
  for (const { md5 } of parts) hash.update(Buffer.from(md5, 'hex'))
  return `"${hash.digest('hex')}-${parts.length}"`
}

/** Instant upload ignores smaller files (docs/smh-protocol.md#5.9). */
export const HASH_SEGMENT_BYTES = 1024 * 1024

/** SHA-256 of the first MiB, and SMH's chained hash of all bytes (docs/smh-protocol.md#10.1). */
export async function chainedHashes(bytes: AsyncIterable<Uint8Array>) {
  let hash = createHash('sha256')
  let room = HASH_SEGMENT_BYTES
  let beginningHash: string | undefined
  for await (const chunk of bytes) {
    let rest = chunk
    while (rest.byteLength > 0) {
      if (room === 0) {
        const previous = hash.digest()
        beginningHash ??= previous.toString('hex')
        hash = createHash('sha256').update(previous)
        room = HASH_SEGMENT_BYTES
      }
      const taken = rest.subarray(0, room)
      hash.update(taken)
      room -= taken.byteLength
      rest = rest.subarray(taken.byteLength)
    }
  }
  const fullHash = hash.digest('hex')
  return { beginningHash: beginningHash ?? fullHash, fullHash }
}
