import type { OwnedUpload } from '../confirm-key-binding.ts'
import { GatewayError } from '../errors.ts'
import { asksForLater, type Bounds } from './call.ts'
import { type ConfirmDetails, type SmhClient, smhCodeOf } from './client.ts'
import { isUnacted } from './error-codes.ts'
import { checkReceivedParts } from './received-parts.ts'
import type { FileReply, StatusReply } from './replies.ts'

/**
 * Completes an upload, however often and by however many callers at once it is asked to.
 *
 * SMH's confirm is not repeatable (SMH §5.7), so the status comes first, and again whenever the
 * confirm left in doubt whether it had its effect: SMH knows, we keep nothing.
 *
 * @throws GatewayError `upload_incomplete`, `size_mismatch`, `file_too_large` (the task is
 *   cancelled), `checksum_mismatch`, `upload_complete` when the file has been moved away since, and
 *   what SmhClient gives
 */
export async function completeInSmh(
  smh: SmhClient,
  upload: OwnedUpload,
  maxBytes: number,
  details: ConfirmDetails,
  bounds: Bounds,
): Promise<FileReply> {
  const status = await smh.status(upload, bounds)
  if (status.confirmed) return storedFile(smh, upload, status, details, bounds)
  await checkParts(smh, upload, status, maxBytes, bounds)
  // The caller may leave now, the confirm goes on: to stop it would leave in doubt what it did.
  const unhurried: Bounds = { endsAt: bounds.endsAt }
  try {
    return await smh.confirm(upload, details, unhurried)
  } catch (error) {
    const incomplete = error instanceof GatewayError && error.code === 'upload_incomplete'
    if (!(incomplete || leavesDoubt(error))) throw error
    const after = await smh.status(upload, unhurried)
    if (after.confirmed) return storedFile(smh, upload, after, details, unhurried)
    // SMH does not say which parts it misses; its list may show it by now.
    if (incomplete) await checkParts(smh, upload, after, maxBytes, unhurried)
    // After a time-out SMH may still be at work on the first confirm.
    const busy = error.code === 'upstream_timeout'
    // What SMH did not act on was tried often enough.
    if (incomplete || busy || asksForLater(error) || isUnacted(error)) throw error
    return confirmOnceMore(smh, upload, details, unhurried)
  }
}

async function confirmOnceMore(
  smh: SmhClient,
  upload: OwnedUpload,
  details: ConfirmDetails,
  bounds: Bounds,
): Promise<FileReply> {
  try {
    return await smh.confirm(upload, details, bounds)
  } catch (error) {
    if (!leavesDoubt(error)) throw error
    const status = await smh.status(upload, bounds)
    if (status.confirmed) return storedFile(smh, upload, status, details, bounds)
    throw error
  }
}

/** Whether the upload may be complete in spite of, or because of, this error. */
function leavesDoubt(error: unknown): error is GatewayError {
  if (!(error instanceof GatewayError)) return false
  // The one who is changing the path right now may be another caller completing this upload.
  if (error.facts.smhCode === 'PathConflict') return true
  if (isUnacted(error)) return false
  switch (error.code) {
    case 'upload_complete':
    case 'upstream_timeout':
    case 'upstream_unavailable':
      return true
    case 'upstream_error':
      // A refusal for our wiring says clearly that nothing was done.
      return error.facts.reason !== 'wiring'
    default:
      return false
  }
}

async function checkParts(
  smh: SmhClient,
  upload: OwnedUpload,
  status: StatusReply,
  maxBytes: number,
  bounds: Bounds,
): Promise<void> {
  try {
    checkReceivedParts(status.parts ?? [], upload.size, maxBytes)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'file_too_large') {
      // At best: what cannot be cancelled now expires in SMH, and can never be confirmed through us.
      await smh.cancel(upload, bounds).catch(() => undefined)
    }
    throw error
  }
}

/** The file of an upload that SMH says is confirmed, read back by its final path (SMH §13). */
async function storedFile(
  smh: SmhClient,
  upload: OwnedUpload,
  status: StatusReply,
  { crc64 }: ConfirmDetails,
  bounds: Bounds,
): Promise<FileReply> {
  const movedAway = new GatewayError(
    'upload_complete',
    'This upload is complete, and its file has been moved or deleted since.',
  )
  if (status.path === null) throw movedAway
  let file: FileReply
  try {
    file = await smh.fileDetails(upload.place, status.path, bounds)
  } catch (error) {
    if (error instanceof GatewayError && error.facts.smhStatus === 404) throw movedAway
    throw error
  }
  if (crc64 !== undefined && crc64 !== file.crc64) {
    throw new GatewayError('checksum_mismatch', 'The stored file has another CRC64.')
  }
  return file
}

/** Gives up an upload. A task that SMH no longer knows is given up already. */
export async function abortInSmh(
  smh: SmhClient,
  upload: OwnedUpload,
  bounds: Bounds,
): Promise<void> {
  try {
    await smh.cancel(upload, bounds)
  } catch (error) {
    const code = smhCodeOf(error)
    if (code !== 'UploadNotFound' && code !== 'ConfirmKeyNotFound') throw error
  }
}
