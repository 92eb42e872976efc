import { createHash } from 'node:crypto'
import { createCRC64 } from 'hash-wasm'

/** What is known of a run of bytes: MD5 as lower-case hex, CRC64 as docs/smh-protocol.md#10.2 writes it. */
export interface Digests {
  size: number
  md5: string
  crc64: string
}

type Crc64Hasher = Awaited<ReturnType<typeof createCRC64>>

// Making a WebAssembly instance for each part costs more than a small part itself.
const idleHashers: Crc64Hasher[] = []

/** Takes bytes chunk by chunk and gives their size, MD5 and CRC64 at the end. */
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

/** The CRC-64/XZ polynomial, reflected: the highest bit stands for x^0 (docs/smh-protocol.md#10.2). */
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

/** x^(8 * bytes): multiplying a CRC by it makes room for that many bytes behind it. */
function shiftBy(bytes: number): bigint {
  let power = ONE
  let square = ONE >> 8n
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square)
    square = multiply(square, square)
  }
  return power
}

/** CRC64 of all blobs one after another, from the CRC64 of each; the bytes are not needed. */
export function combineCrc64(blobs: readonly { size: number; crc64: string }[]): string {
  // Nearly all parts of an upload have the same size, so the costly factor is found once.
  const shifts = new Map<number, bigint>()
  let combined = 0n
  for (const { size, crc64 } of blobs) {
    const shift = shifts.get(size) ?? shiftBy(size)
    shifts.set(size, shift)
    combined = multiply(shift, combined) ^ BigInt(crc64)
  }
  return combined.toString()
}

/** ETag of an object completed from parts: MD5 over the parts' raw MD5s, and their number. */
export function multipartETag(parts: readonly { md5: string }[]): string {
  const hash = createHash('md5')
  for (const { md5 } of parts) hash.update(Buffer.from(md5, 'hex'))
  return `"${hash.digest('hex')}-${parts.length}"`
}

/** Files shorter than this take no part in instant upload (docs/smh-protocol.md#5.9). */
export const HASH_SEGMENT_BYTES = 1024 * 1024

/** SHA-256 of the first MiB, and SMH's chained hash of everything (docs/smh-protocol.md#10.1). */
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
