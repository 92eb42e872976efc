import { GatewayError } from '../errors.ts'
import type { SmhFile } from '../smh/client.ts'

/**
 * Checks that a stored file has the size that was declared at begin, bytes. No parts can change any more,
 * so this check is the last one. It deletes nothing: the file may have replaced another one by now, or
 * have been replaced, and SMH can delete by path alone.
 *
 * @param upload.smhUploadId of the multipart upload that became the file, where SMH told it
 * @param upload.confirmedBefore whether an earlier request confirmed the upload. Another upload of the same
 *   name may have replaced the file since, so the log has a warning then, and otherwise an error
 * @param maxBytes of the policy
 * @throws GatewayError `file_too_large` when the size differs and is above `maxBytes`, `size_mismatch` when
 *   it differs otherwise; the log gets what finds the file
 */
export function checkStoredSize(
  { file, smhRequestId }: SmhFile,
  upload: { size: number; smhUploadId?: string | undefined; confirmedBefore: boolean },
  maxBytes: number,
): void {
  if (file.size === upload.size) return
  const since = upload.confirmedBefore
    ? ' Another upload of the same name may have replaced the file since.'
    : ''
  throw new GatewayError(
    file.size > maxBytes ? 'file_too_large' : 'size_mismatch',
    `The stored file has ${file.size} bytes, and ${upload.size} were declared.${since}`,
    {
      reason: 'stored_size',
      severity: upload.confirmedBefore ? 'warn' : 'error',
      log: {
        declaredSize: upload.size,
        storedSize: file.size,
        ...(smhRequestId && { smhRequestId }),
        ...(upload.smhUploadId && { smhUploadId: upload.smhUploadId }),
      },
    },
  )
}
