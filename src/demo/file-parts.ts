import { type FileHandle, open, stat } from 'node:fs/promises'
import { createCRC64 } from 'hash-wasm'

const MIB = 1024 * 1024
const MOST_PARTS = 10_000
/** The sizes that SMH's own clients grow a part to, in MiB, so that 10,000 parts suffice. */
const PART_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 5120]
const CHUNK_BYTES = 256 * 1024

/** A run of bytes of a file; the first part is number 1. */
export interface Part {
  number: number
  start: number
  /** The first byte after it. */
  end: number
}

/** What is wrong with a file; the message goes after its name. */
export class FileFault extends Error {}

/** Cuts `size` bytes into parts of at least `leastBytes`, as few as SMH allows. */
export function cutIntoParts(size: number, leastBytes: number): Part[] {
  const enough = PART_SIZES.find((mib) => size / (mib * MIB) <= MOST_PARTS)
  if (enough === undefined) throw new FileFault('is larger than 10,000 parts of 5 GiB')
  const bytes = Math.max(leastBytes, enough * MIB)
  return Array.from({ length: Math.ceil(size / bytes) }, (_, index) => ({
    number: index + 1,
    start: index * bytes,
    end: Math.min(size, (index + 1) * bytes),
  }))
}

/**
 * Opens a file that can be uploaded.
 *
 * @throws FileFault when there is none, it is none, it is empty, or it may not be read
 */
export async function openFile(file: string): Promise<{ handle: FileHandle; size: number }> {
  try {
    // Before opening: to open a pipe is to wait for somebody who writes into it.
    const { size, ...kind } = await statusOf(file)
    if (kind.isDirectory) throw new FileFault('is a directory')
    if (!kind.isFile) throw new FileFault('is not a regular file')
    if (size === 0) throw new FileFault('is empty, and an upload has at least one byte')
    return { handle: await open(file), size }
  } catch (error) {
    throw error instanceof FileFault ? error : new FileFault(reasonOf(error), { cause: error })
  }
}

async function statusOf(file: string) {
  const status = await stat(file)
  return { size: status.size, isFile: status.isFile(), isDirectory: status.isDirectory() }
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read'
  return `cannot be read (${code ?? 'unknown reason'})`
}

/** The bytes from `start` to before `end`, in chunks; never more than one of them is held here. */
export async function* readBytes(handle: FileHandle, { start, end }: Omit<Part, 'number'>) {
  for (let position = start; position < end; ) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - position))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, position).catch((cause) => {
      throw new FileFault(reasonOf(cause), { cause })
    })
    if (bytesRead === 0) throw new FileFault('became shorter while it was being read')
    position += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}

/** CRC-64/XZ of the whole file, decimal: the form that SMH has it in. */
export async function crc64Of(
  handle: FileHandle,
  size: number,
  signal: AbortSignal,
): Promise<string> {
  const crc64 = await createCRC64()
  for await (const chunk of readBytes(handle, { start: 0, end: size })) {
    signal.throwIfAborted()
    crc64.update(chunk)
  }
  return BigInt(`0x${crc64.digest('hex')}`).toString()
}
