/** CRC-64/XZ, the checksum that COS and SMH store with every object. SMH calls it `crc64`. */

/** The reflected polynomial: the highest bit is x^0. */
const POLYNOMIAL = 0xc96c5795d7870f42n
const ONE = 1n << 63n
const ALL_ONES = 0xffff_ffff

/**
 * Eight tables of 256 values, split into lower and upper 32 bits. They let the loop process eight bytes
 * at once. They are signed because engines keep signed 32-bit integers as integers.
 */
const tables = createTables()

function createTables() {
  const low = new Int32Array(8 * 256)
  const high = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte += 1) {
    let value = BigInt(byte)
    for (let bit = 0; bit < 8; bit += 1) value = (value >> 1n) ^ (value & 1n ? POLYNOMIAL : 0n)
    low[byte] = Number(BigInt.asIntN(32, value))
    high[byte] = Number(BigInt.asIntN(32, value >> 32n))
  }
  for (let index = 256; index < 8 * 256; index += 1) {
    const [lo, hi] = [low[index - 256]!, high[index - 256]!]
    low[index] = ((lo >>> 8) | (hi << 24)) ^ low[lo & 0xff]!
    high[index] = (hi >>> 8) ^ high[lo & 0xff]!
  }
  return { low, high }
}

/** The checksum of `bytes`. `before` is the checksum of the bytes in front of them. */
export function crc64(bytes: Uint8Array, before = 0n): bigint {
  // Bundlers make variables of constants, whose type the engine would check at each access.
  const { low, high } = tables
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let lo = ~Number(BigInt.asIntN(32, before))
  let hi = ~Number(BigInt.asIntN(32, before >> 32n))
  let at = 0
  for (const last = bytes.length - 8; at <= last; at += 8) {
    lo ^= view.getInt32(at, true)
    hi ^= view.getInt32(at + 4, true)
    const a = 1792 + (lo & 0xff)
    const b = 1536 + ((lo >>> 8) & 0xff)
    const c = 1280 + ((lo >>> 16) & 0xff)
    const d = 1024 + (lo >>> 24)
    const e = 768 + (hi & 0xff)
    const f = 512 + ((hi >>> 8) & 0xff)
    const g = 256 + ((hi >>> 16) & 0xff)
    const h = hi >>> 24
    lo = low[a]! ^ low[b]! ^ low[c]! ^ low[d]! ^ low[e]! ^ low[f]! ^ low[g]! ^ low[h]!
    hi = high[a]! ^ high[b]! ^ high[c]! ^ high[d]! ^ high[e]! ^ high[f]! ^ high[g]! ^ high[h]!
  }
  for (; at < bytes.length; at += 1) {
    const index = (lo ^ bytes[at]!) & 0xff
    lo = ((lo >>> 8) | (hi << 24)) ^ low[index]!
    hi = (hi >>> 8) ^ high[index]!
  }
  return (BigInt((hi ^ ALL_ONES) >>> 0) << 32n) | BigInt((lo ^ ALL_ONES) >>> 0)
}

/** The size and checksum of a range of bytes. */
export interface Piece {
  size: number
  crc64: bigint
}

/** The checksum of the concatenated pieces, computed without their bytes. */
export function combineCrc64(pieces: Iterable<Piece>): bigint {
  // Nearly all parts of a file have the same size, so the expensive factor is computed once.
  const shifts = new Map<number, bigint>()
  let combined = 0n
  for (const { size, crc64 } of pieces) {
    // Zero stays zero. So a file of one part needs no factor.
    if (combined !== 0n) {
      const shift = shifts.get(size) ?? shiftBy(size)
      shifts.set(size, shift)
      combined = multiply(shift, combined)
    }
    combined ^= crc64
  }
  return combined
}

/** The product of two polynomials modulo {@link POLYNOMIAL}. */
function multiply(left: bigint, right: bigint): bigint {
  let product = 0n
  let shifted = right
  for (let bit = ONE; bit > 0n; bit >>= 1n) {
    if (left & bit) product ^= shifted
    shifted = (shifted >> 1n) ^ (shifted & 1n ? POLYNOMIAL : 0n)
  }
  return product
}

/** x^(8 * bytes). Multiplying a checksum by it appends that many zero bytes. */
function shiftBy(bytes: number): bigint {
  let power = ONE
  let square = ONE >> 8n
  for (let left = BigInt(bytes); left > 0n; left >>= 1n) {
    if (left & 1n) power = multiply(power, square)
    square = multiply(square, square)
  }
  return power
}
