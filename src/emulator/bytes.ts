import { randomUUID } from 'node:crypto'
import { closeSync, createReadStream, openSync, readSync, writeSync } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ByteRange } from './cos-ranges.ts'
import { createDigester, type Digests } from './hashes.ts'

/** A run of bytes kept in one file on disk. */
export interface Piece extends Digests {
  file: string
}

/** The disk behind COS. A stored object is an ordered list of pieces; nothing is ever copied. */
export interface Bytes {
  store(source: AsyncIterable<Uint8Array>, onChunk?: (size: number) => void): Promise<Piece>
  /** The bytes of all pieces, or of a part of them. */
  read(pieces: readonly Piece[], range?: ByteRange): Readable
  /** Changes a byte, if `isStill` wants it; nothing else happens from that question to the end. */
  corrupt(piece: Piece, isStill: () => boolean): Promise<boolean>
  remove(pieces: readonly Piece[]): Promise<void>
  clear(): Promise<void>
}

/** Keeps pieces as files in `directory`, which must exist. */
export function createBytes(directory: string): Bytes {
  const folder = join(directory, 'pieces')

  async function store(source: AsyncIterable<Uint8Array>, onChunk?: (size: number) => void) {
    await mkdir(folder, { recursive: true })
    const file = join(folder, randomUUID())
    const handle = await open(file, 'wx')
    const digester = await createDigester()
    try {
      for await (const chunk of source) {
        // The disk works while the hashes are computed.
        const written = handle.writeFile(chunk)
        digester.update(chunk)
        onChunk?.(chunk.byteLength)
        await written
      }
      return { file, ...digester.digest() }
    } catch (error) {
      await rm(file, { force: true })
      throw error
    } finally {
      await handle.close()
    }
  }

  function read(pieces: readonly Piece[], range?: ByteRange): Readable {
    const { first, last } = range ?? { first: 0, last: Number.POSITIVE_INFINITY }
    async function* chunks() {
      let before = 0
      for (const { file, size } of pieces) {
        const start = Math.max(0, first - before)
        const end = Math.min(size - 1, last - before)
        before += size
        if (start <= end) yield* createReadStream(file, { start, end, highWaterMark: 1 << 18 })
      }
    }
    return Readable.from(chunks(), { objectMode: false })
  }

  async function corrupt(piece: Piece, isStill: () => boolean) {
    const digester = await createDigester()
    if (!isStill()) return false
    const file = openSync(piece.file, 'r+')
    try {
      const byte = new Uint8Array(1)
      const position = Math.floor(piece.size / 2)
      readSync(file, byte, 0, 1, position)
      byte[0] = (byte[0] ?? 0) ^ 0xff
      writeSync(file, byte, 0, 1, position)
      const chunk = new Uint8Array(1 << 18)
      for (let at = 0; at < piece.size; at += chunk.byteLength) {
        digester.update(chunk.subarray(0, readSync(file, chunk, 0, chunk.byteLength, at)))
      }
    } finally {
      closeSync(file)
    }
    // What COS says of a piece is always true of the bytes it holds.
    Object.assign(piece, digester.digest())
    return true
  }

  async function remove(pieces: readonly Piece[]) {
    await Promise.all(pieces.map(({ file }) => rm(file, { force: true })))
  }

  const clear = () => rm(folder, { recursive: true, force: true })

  return { store, read, corrupt, remove, clear }
}
