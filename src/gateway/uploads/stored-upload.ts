import { GatewayError } from '../errors.ts'
import type { SmhFile } from '../smh/client.ts'
import type { FileReply } from '../smh/replies.ts'
import type { UploadScope } from '../smh/upload.ts'

declare const stored: unique symbol

/**
 * The event that an upload became a file. Only {@link storedUpload} creates it, and every response with a
 * stored file needs it. Code that must run for each stored file belongs there.
 */
export interface StoredUpload {
  readonly [stored]: true
  readonly scope: UploadScope
  readonly file: FileReply
}

/** How the upload became a file. */
export interface Confirmation {
  scope: UploadScope
  /** Bytes, as declared at begin. */
  size: number
  /** SMH's id of the multipart upload, where SMH reports it. */
  smhUploadId?: string | undefined
  /**
   * Whether an earlier request confirmed the upload. Then another upload with the same name may have
   * replaced the file, so the log has a warning. Otherwise it has an error.
   */
  confirmedBefore: boolean
}

/**
 * Marks a completed or instant upload as stored.
 *
 * The file must have the declared size. No part can change any more, so this check is the last one. It deletes
 * nothing: the file may have replaced another one, or have been replaced, and SMH deletes by path alone.
 *
 * @param maxBytes of the policy
 * @throws GatewayError `file_too_large` when the size differs and exceeds `maxBytes`, `size_mismatch` when
 *   it differs otherwise. The log identifies the file
 */
export function storedUpload(
  { file, smhRequestId }: SmhFile,
  { scope, size, smhUploadId, confirmedBefore }: Confirmation,
  maxBytes: number,
): StoredUpload {
  if (file.size === size) return { scope, file } as StoredUpload
  const since = confirmedBefore
    ? ' Another upload with the same name may have replaced the file.'
    : ''
  throw new GatewayError(
    file.size > maxBytes ? 'file_too_large' : 'size_mismatch',
    `The stored file has ${file.size} bytes, but ${size} were declared.${since}`,
    {
      reason: 'stored_size',
      severity: confirmedBefore ? 'warn' : 'error',
      log: {
        declaredSize: size,
        storedSize: file.size,
        ...(smhRequestId && { smhRequestId }),
        ...(smhUploadId && { smhUploadId }),
      },
    },
  )
}
