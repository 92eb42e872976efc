import type { UploadRules } from '../config/parse.ts'
import { GatewayError } from '../errors.ts'
import type { ConfirmDetails, SmhClient, SmhFile } from '../smh/client.ts'
import { hadNoEffect, meaningOf } from '../smh/error-codes.ts'
import type { FileReply, StatusReply } from '../smh/replies.ts'
import { type Refusal, refusalOf, SmhError, type SmhFailure } from '../smh/smh-error.ts'
import { asksForLater, type CallLimits } from '../smh/transport.ts'
import type { OwnedUpload } from '../smh/upload.ts'
import { permitCompletion, relativePath } from './policy.ts'
import { checkReceivedParts } from './received-parts.ts'
import { checkStoredSize } from './stored-size.ts'

/** Confirms of one request in all. The second is for a confirm that SMH seems not to have acted on. */
const MAX_CONFIRMS = 2

/**
 * Completes an upload, however often and by however many callers at once it is asked to.
 *
 * SMH's confirm is not repeatable (docs/smh-protocol.md#5.7), so the status comes first, and again whenever the
 * confirm left in doubt whether it had its effect: SMH knows, we keep nothing. Each status that lists the
 * parts is checked before the confirm that follows it, and each stored file after it.
 *
 * @throws GatewayError `not_permitted` by rules that became stricter, `upload_incomplete`,
 *   `size_mismatch`, `file_too_large` (a task is cancelled, a stored file stays), `checksum_mismatch`,
 *   `upload_complete` when the file has left the user's folder since, and what SmhClient gives
 */
export async function completeInSmh(
  smh: SmhClient,
  upload: OwnedUpload,
  rules: UploadRules,
  details: ConfirmDetails,
  limits: CallLimits,
): Promise<FileReply> {
  const { size } = upload
  let status = await smh.status(upload, limits)
  if (status.confirmed) {
    return readBack(smh, upload, status, { size, confirmedBefore: true }, rules, details, limits)
  }
  permitCompletion(rules, upload.strategy, status.path)
  // The caller may leave now, the rest goes on: to stop a confirm would leave in doubt what it did.
  const unhurried: CallLimits = { deadline: limits.deadline }
  for (let confirms = 1; ; confirms += 1) {
    await checkParts(smh, upload, status, rules.maxBytes, unhurried)
    const confirmed = { size, smhUploadId: status.uploadId, confirmedBefore: false }
    const outcome = await confirmOrDoubt(smh, upload, details, unhurried)
    if (!(outcome instanceof SmhError)) {
      checkStoredSize(outcome, confirmed, rules.maxBytes)
      return outcome.file
    }
    status = await smh.status(upload, unhurried)
    if (status.confirmed) {
      return readBack(smh, upload, status, confirmed, rules, details, unhurried)
    }
    if (confirms < MAX_CONFIRMS && mayConfirmAgain(outcome.failure)) continue
    // SMH does not say which parts it misses; its list may show it by now.
    if (isIncomplete(outcome)) {
      await checkParts(smh, upload, status, rules.maxBytes, unhurried)
    }
    throw outcome
  }
}

/** The stored file, or the error that leaves open whether the upload is complete. */
async function confirmOrDoubt(
  smh: SmhClient,
  upload: OwnedUpload,
  details: ConfirmDetails,
  limits: CallLimits,
): Promise<SmhFile | SmhError> {
  try {
    return await smh.confirm(upload, details, limits)
  } catch (error) {
    if (error instanceof SmhError && (isIncomplete(error) || leavesDoubt(error.failure)))
      return error
    throw error
  }
}

function isIncomplete(error: SmhError): boolean {
  const refusal = refusalOf(error)
  return refusal !== undefined && meaningOf(refusal) === 'upload_incomplete'
}

/** Whether a second confirm may follow one that failed and, by the status, had no effect. */
function mayConfirmAgain(failure: SmhFailure): boolean {
  switch (failure.kind) {
    case 'connect_failed':
    case 'connection_lost':
    case 'invalid_response':
    case 'aborted':
    case 'circuit_open':
      return true
    // SMH may still work on the first confirm.
    case 'timeout':
      return false
    case 'refused':
      return mayConfirmAfter(failure)
  }
}

function mayConfirmAfter(refusal: Refusal): boolean {
  // The transport has retried what had no effect.
  if (asksForLater(refusal) || hadNoEffect(refusal)) return false
  switch (meaningOf(refusal)) {
    case 'upload_complete':
    case 'unavailable':
    case 'failed':
      return true
    // Everything else is SMH's decision.
    default:
      return false
  }
}

/** Whether the upload may be complete in spite of this failure, or because of it. */
function leavesDoubt(failure: SmhFailure): boolean {
  switch (failure.kind) {
    case 'connect_failed':
    case 'connection_lost':
    case 'timeout':
    case 'invalid_response':
    case 'aborted':
    case 'circuit_open':
      return true
    case 'refused':
      return refusalLeavesDoubt(failure)
  }
}

function refusalLeavesDoubt(refusal: Refusal): boolean {
  // Another request that completes this upload may be changing the path.
  if (refusal.code === 'PathConflict') return true
  if (hadNoEffect(refusal)) return false
  switch (meaningOf(refusal)) {
    // Another confirm, or an earlier one whose response was lost, may have stored the file. Then its own name
    // is taken, its task is gone, or it fills the space.
    case 'name_conflict':
    case 'upload_not_found':
    case 'quota_exceeded':
    case 'upload_complete':
    case 'timeout':
    case 'unavailable':
    case 'failed':
      return true
    // SMH says clearly that it did nothing.
    default:
      return false
  }
}

async function checkParts(
  smh: SmhClient,
  upload: OwnedUpload,
  status: StatusReply,
  maxBytes: number,
  limits: CallLimits,
): Promise<void> {
  try {
    checkReceivedParts(status.parts ?? [], upload.size, maxBytes)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'file_too_large') {
      // At best: what cannot be cancelled now expires in SMH, and can never be confirmed through us.
      await smh.cancel(upload, limits).catch(() => undefined)
    }
    throw error
  }
}

/** The file of an upload that the status shows as confirmed, with its size and checksum checked. */
async function readBack(
  smh: SmhClient,
  upload: OwnedUpload,
  status: StatusReply,
  confirmed: Parameters<typeof checkStoredSize>[1],
  rules: UploadRules,
  { crc64 }: ConfirmDetails,
  limits: CallLimits,
): Promise<FileReply> {
  const stored = await detailsOf(smh, upload, status, limits)
  checkStoredSize(stored, confirmed, rules.maxBytes)
  if (crc64 !== undefined && crc64 !== stored.file.crc64) {
    throw new GatewayError('checksum_mismatch', 'The stored file has another CRC64.')
  }
  return stored.file
}

/**
 * The file of an upload that SMH says is confirmed, read back by its final path (docs/smh-protocol.md#13). A file that has
 * left the user's folder is not the user's to see.
 */
async function detailsOf(
  smh: SmhClient,
  { scope }: OwnedUpload,
  { path }: StatusReply,
  limits: CallLimits,
): Promise<SmhFile> {
  const movedAway = new GatewayError(
    'upload_complete',
    'This upload is complete, and its file has been moved or deleted since.',
  )
  if (path === null || relativePath(scope.rootPath, path) === null) throw movedAway
  let stored: SmhFile
  try {
    stored = await smh.fileDetails(scope, path, limits)
  } catch (error) {
    if (refusalOf(error)?.status === 404) throw movedAway
    throw error
  }
  if (relativePath(scope.rootPath, stored.file.path) === null) throw movedAway
  return stored
}

/** Gives up an upload. A task that SMH no longer knows is given up already. */
export async function abortInSmh(
  smh: SmhClient,
  upload: OwnedUpload,
  limits: CallLimits,
): Promise<void> {
  try {
    await smh.cancel(upload, limits)
  } catch (error) {
    const code = refusalOf(error)?.code
    if (code !== 'UploadNotFound' && code !== 'ConfirmKeyNotFound') throw error
  }
}
