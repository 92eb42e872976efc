import type { UploadRules } from '../config/parse.ts'
import { GatewayError } from '../errors.ts'
import type { ConfirmDetails, SmhClient, SmhFile } from '../smh/client.ts'
import type { StatusReply } from '../smh/replies.ts'
import { refusalOf, SmhError } from '../smh/smh-error.ts'
import type { CallLimits } from '../smh/transport.ts'
import type { OwnedUpload, UploadScope } from '../smh/upload.ts'
import { isIncomplete, leavesDoubt, mayConfirmAgain } from './confirm-doubt.ts'
import { permitCompletion, relativePath } from './policy.ts'
import { checkReceivedParts } from './received-parts.ts'
import { type Confirmation, type StoredUpload, storedUpload } from './stored-upload.ts'

/**
 * Maximum number of confirms in one request. The second one follows a confirm without an apparent effect.
 */
const MAX_CONFIRMS = 2

/** The dependencies of the steps of a completion. */
interface Completion {
  smh: SmhClient
  upload: OwnedUpload
  rules: UploadRules
  details: ConfirmDetails
}

/**
 * Completes an upload. Any number of requests may complete the same upload, also at once.
 *
 * SMH's confirm is not repeatable (docs/smh-protocol.md#5.7), and the gateway stores nothing. So the
 * gateway reads the status first, and again when the effect of a confirm is uncertain. The parts of each
 * status are checked before the confirm that follows it, and the stored file after it.
 *
 * @throws SmhError; GatewayError `not_permitted` when rules became stricter after begin,
 *   `upload_incomplete`, `size_mismatch`, `file_too_large` (a task is cancelled, a stored file stays),
 *   `checksum_mismatch`, `upload_complete` when the file was moved out of the user's folder
 */
export async function completeInSmh(
  smh: SmhClient,
  upload: OwnedUpload,
  rules: UploadRules,
  details: ConfirmDetails,
  limits: CallLimits,
): Promise<StoredUpload> {
  const completion = { smh, upload, rules, details }
  const { scope, size } = upload
  let status = await smh.status(upload, limits)
  if (status.confirmed) {
    return readBack(completion, status, { scope, size, confirmedBefore: true }, limits)
  }
  permitCompletion(rules, upload.strategy, status.path)
  // Without the signal: the confirm continues when the client disconnects. Otherwise its effect would be
  // unknown.
  const unhurried: CallLimits = { deadline: limits.deadline }
  for (let confirms = 1; ; confirms += 1) {
    await checkParts(completion, status, unhurried)
    const { uploadId: smhUploadId } = status
    const confirmation = { scope, size, smhUploadId, confirmedBefore: false }
    const outcome = await confirmOrDoubt(completion, unhurried)
    if (!(outcome instanceof SmhError)) return storedUpload(outcome, confirmation, rules.maxBytes)
    status = await smh.status(upload, unhurried)
    if (status.confirmed) return readBack(completion, status, confirmation, unhurried)
    if (confirms < MAX_CONFIRMS && mayConfirmAgain(outcome.failure)) continue
    // SMH's error does not list the missing parts. A new status may show them.
    if (isIncomplete(outcome)) await checkParts(completion, status, unhurried)
    throw outcome
  }
}

/** The stored file, or an error that leaves open whether the upload is complete. */
async function confirmOrDoubt(
  { smh, upload, details }: Completion,
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

async function checkParts(
  { smh, upload, rules }: Completion,
  status: StatusReply,
  limits: CallLimits,
): Promise<void> {
  // COS has its whole object or nothing. The stored size is checked after the confirm.
  if (upload.method === 'simple') return
  try {
    checkReceivedParts(status.parts ?? [], upload.size, rules.maxBytes)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'file_too_large') {
      // Best effort: a task that stays expires in SMH, and no request can confirm it.
      await smh.cancel(upload, limits).catch(() => undefined)
    }
    throw error
  }
}

/** The file of an upload that the status shows as confirmed, with its size and checksum checked. */
async function readBack(
  { smh, upload, rules, details }: Completion,
  status: StatusReply,
  confirmation: Confirmation,
  limits: CallLimits,
): Promise<StoredUpload> {
  const file = await fileOf(smh, upload.scope, status.path, limits)
  const stored = storedUpload(file, confirmation, rules.maxBytes)
  if (details.crc64 !== undefined && details.crc64 !== stored.file.crc64) {
    throw new GatewayError(
      'checksum_mismatch',
      'Checksum mismatch: the CRC-64 of the stored file differs.',
      { reason: 'stored_checksum' },
    )
  }
  return stored
}

/**
 * The file of a confirmed upload, by its final path (docs/smh-protocol.md#13). The gateway never returns a
 * file outside the user's folder.
 *
 * @param path from the root of the space; null when SMH does not report it
 * @throws SmhError; GatewayError `upload_complete` when the file was moved or deleted since
 */
export async function fileOf(
  smh: SmhClient,
  scope: UploadScope,
  path: readonly string[] | null,
  limits: CallLimits,
): Promise<SmhFile> {
  const movedAway = new GatewayError(
    'upload_complete',
    'The upload is complete, but its file was moved or deleted afterwards.',
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

/** Aborts an upload. A task that SMH does not know is already aborted. */
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
