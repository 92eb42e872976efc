import { GatewayError } from '../errors.ts'
import type { SmhClient } from '../smh/client.ts'
import { meaningOf } from '../smh/error-codes.ts'
import type { TaskReply } from '../smh/replies.ts'
import { refusalOf } from '../smh/smh-error.ts'
import type { CallLimits } from '../smh/transport.ts'
import type { OwnedUpload, PermittedUpload } from '../smh/upload.ts'
import { fileOf } from './complete.ts'
import { type StoredUpload, storedUpload } from './stored-upload.ts'

/**
 * Repeats the outcome of a begin that created a task. A multipart upload gets fresh credentials, so the gateway
 * need not keep any. A simple upload cannot be renewed: its task is cancelled, if SMH allows it.
 *
 * @returns undefined when the task is gone or left behind, and the upload has to begin again
 * @throws SmhError; GatewayError `upload_complete`
 */
export async function replayUpload(
  smh: SmhClient,
  owned: OwnedUpload,
  { wanted }: PermittedUpload,
  limits: CallLimits,
): Promise<TaskReply | undefined> {
  try {
    if (owned.method === 'multipart') return await smh.renew(owned, wanted.trafficLimit, limits)
    await smh.cancel(owned, limits)
    return undefined
  } catch (error) {
    const refusal = refusalOf(error)
    const meaning = refusal && meaningOf(refusal)
    if (meaning === 'upload_not_found') return undefined
    if (owned.method === 'multipart' || meaning === 'upload_complete') throw error
    // A second upload must not begin while the first may be complete.
    const { confirmed } = await smh.status(owned, limits)
    if (confirmed) throw uploadComplete()
    return undefined
  }
}

export function uploadComplete(): GatewayError {
  return new GatewayError('upload_complete', 'This upload is already complete.')
}

/**
 * Repeats the outcome of an instant upload that stored a file.
 *
 * @param path from the root of the space
 * @throws SmhError; GatewayError `upload_complete` when the file was moved or deleted since, `size_mismatch` or
 *   `file_too_large` when another one replaced it
 */
export async function replayStored(
  smh: SmhClient,
  { scope, wanted: { size } }: PermittedUpload,
  path: readonly string[],
  limits: CallLimits,
): Promise<StoredUpload> {
  const file = await fileOf(smh, scope, path, limits)
  return storedUpload(file, { scope, size, confirmedBefore: true }, Number.POSITIVE_INFINITY)
}
