import { createReadStream, openAsBlob } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { createCRC64 } from 'hash-wasm'

/** A file of this machine, opened. */
export interface LocalFile {
  path: string
  content: Blob
}

/** What is wrong with a file; the message goes after its name. */
export class FileFault extends Error {}

/**
 * A file of this machine as a browser would have it. Nothing is read yet.
 *
 * @throws FileFault when there is none, it is none, it is empty, or it may not be read
 */
export async function openFile(file: string): Promise<Blob> {
  try {
    // Before opening: to open a pipe is to wait for somebody who writes into it.
    const status = await stat(file)
    if (status.isDirectory()) throw new FileFault('is a directory')
    if (!status.isFile()) throw new FileFault('is not a regular file')
    if (status.size === 0) throw new FileFault('is empty, and an upload has at least one byte')
    await access(file, constants.R_OK)
    return await openAsBlob(file)
  } catch (error) {
    throw error instanceof FileFault ? error : new FileFault(reasonOf(error), { cause: error })
  }
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read'
  return `cannot be read (${code ?? 'unknown reason'})`
}

/**
 * CRC-64/XZ of the whole file, decimal: the form that SMH has it in. Not the client's own, so that one
 * can be held against the other.
 */
export async function crc64Of(file: string, signal: AbortSignal): Promise<string> {
  const crc64 = await createCRC64()
  for await (const chunk of createReadStream(file, { signal })) crc64.update(chunk)
  return BigInt(`0x${crc64.digest('hex')}`).toString()
}
