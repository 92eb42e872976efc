import { randomUUID } from 'node:crypto'
import { closeSync, createReadStream, openSync, readSync, writeSync } from 'node:fs'
import { mkdir, open, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ByteRange } from './cos-ranges.ts'
import { createDigester, type Digests } from './hashes.ts'

/** Bytes in one file on disk. */
export interface Blob extends Digests {
  file: string
}

/** The disk behind COS. A stored object is an ordered list of blobs, so that no bytes are copied. */
export interface BlobStore {
  write(source: AsyncIterable<Uint8Array>, onChunk?: (size: number) => void): Promise<Blob>
  /** The bytes of all blobs, or a range of these bytes. */
  read(blobs: readonly Blob[], range?: ByteRange): Readable
  /** Changes a byte if `isStill` returns true. Both happen in one synchronous step. */
  corrupt(blob: Blob, isStill: () => boolean): Promise<boolean>
  remove(blobs: readonly Blob[]): Promise<void>
  /** Removes every blob. Other files of the folder stay. */
  clear(): Promise<void>
}

/** Keeps blobs as files in `directory`, which must exist. */
export function createBlobStore(directory: string): BlobStore {
  const folder = join(directory, 'blobs')
  /** The files of this store. The user chooses `directory`, which may have other files. */
  const files = new Set<string>()

  async function write(source: AsyncIterable<Uint8Array>, onChunk?: (size: number) => void) {
    await mkdir(folder, { recursive: true })
    const file = join(folder, randomUUID())
    files.add(file)
    const handle = await open(file, 'wx')
    const digester = await createDigester()
    try {
      for await (const chunk of source) {
        // Writing and hashing run at the same time.
        const written = handle.writeFile(chunk)
        digester.update(chunk)
        onChunk?.(chunk.byteLength)
        await written
      }
      return { file, ...digester.digest() }
    } catch (error) {
      await removeFile(file)
      throw error
    } finally {
      await handle.close()
    }
  }

  function read(blobs: readonly Blob[], range?: ByteRange): Readable {
    const { first, last } = range ?? { first: 0, last: Number.POSITIVE_INFINITY }
    async function* chunks() {
      let before = 0
      for (const { file, size } of blobs) {
        const start = Math.max(0, first - before)
        const end = Math.min(size - 1, last - before)
        before += size
        if (start <= end) yield* createReadStream(file, { start, end, highWaterMark: 1 << 18 })
      }
    }
    return Readable.from(chunks(), { objectMode: false })
  }

  async function corrupt(blob: Blob, isStill: () => boolean) {
    const digester = await createDigester()
    if (!isStill()) return false
    const file = openSync(blob.file, 'r+')
    try {
      const byte = new Uint8Array(1)
      const position = Math.floor(blob.size / 2)
      readSync(file, byte, 0, 1, position)
      byte[0] = (byte[0] ?? 0) ^ 0xff
      writeSync(file, byte, 0, 1, position)
      const chunk = new Uint8Array(1 << 18)
      for (let at = 0; at < blob.size; at += chunk.byteLength) {
        digester.update(chunk.subarray(0, readSync(file, chunk, 0, chunk.byteLength, at)))
      }
    } finally {
      closeSync(file)
    }
    // The digests that COS reports always match the stored bytes.
    Object.assign(blob, digester.digest())
    return true
  }

  async function remove(blobs: readonly Blob[]) {
    await Promise.all(blobs.map(({ file }) => removeFile(file)))
  }

  async function removeFile(file: string) {
    await rm(file, { force: true })
    files.delete(file)
  }

  async function clear() {
    await Promise.all([...files].map(removeFile))
    // Fails when the folder has other files, or does not exist.
    await rmdir(folder).catch(() => undefined)
  }

  return { write, read, corrupt, remove, clear }
}
