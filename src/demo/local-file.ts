import { createReadStream, openAsBlob } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { createCRC64 } from 'hash-wasm'

/** An open file on this machine. */
export interface LocalFile {
  path: string
  content: Blob
}

/** Why a file cannot be uploaded. The message continues a sentence that starts with the file name. */
export class FileError extends Error {}

/**
 * Opens a file as a blob, as a browser does. It reads no content.
 *
 * @throws FileError when the file is missing, not readable or not a regular file
 */
export async function openFile(file: string): Promise<Blob> {
  try {
    // Checked before opening, because opening a pipe waits for its writer.
    const status = await stat(file)
    if (status.isDirectory()) throw new FileError('is a directory')
    if (!status.isFile()) throw new FileError('is not a regular file')
    await access(file, constants.R_OK)
    return await openAsBlob(file)
  } catch (error) {
    throw error instanceof FileError ? error : new FileError(reasonOf(error), { cause: error })
  }
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'is not readable'
  return `is not readable (${code ?? 'unknown reason'})`
}

/**
 * Computes CRC-64/XZ of the whole file, in decimal like SMH. It does not use the client's implementation,
 * so that the demo can compare both results.
 */
export async function crc64Of(file: string, signal: AbortSignal): Promise<string> {
  const crc64 = await createCRC64()
  for await (const chunk of createReadStream(file, { signal })) crc64.update(chunk)
  return BigInt(`0x${crc64.digest('hex')}`).toString()
}
