import { createCipheriv, createHash } from 'node:crypto'
import { createCRC64 } from 'hash-wasm'

/** Identifies content. The checksum code is independent of the client's. */
export interface Fingerprint {
  size: number
  sha256: string
  crc64: string
}

/** `size` bytes that the seed and the number determine. */
export function contentOf(seed: number, number: number, size: number): Uint8Array<ArrayBuffer> {
  const key = createHash('sha256').update(`${seed} ${number}`).digest()
  return Uint8Array.from(
    createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size)),
  )
}

/** Reads `source` to its end. */
export async function fingerprintOf(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Fingerprint> {
  const sha256 = createHash('sha256')
  const crc64 = await createCRC64()
  let size = 0
  for await (const bytes of source) {
    sha256.update(bytes)
    crc64.update(bytes)
    size += bytes.byteLength
  }
  return {
    size,
    sha256: sha256.digest('hex'),
    crc64: BigInt(`0x${crc64.digest('hex')}`).toString(),
  }
}
