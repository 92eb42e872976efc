import { GatewayError } from '../errors.ts'
import type { BeginOutcome, SmhClient } from '../smh/client.ts'
import { refusalOf, SmhError } from '../smh/smh-error.ts'
import type { CallLimits } from '../smh/transport.ts'
import type { PermittedUpload } from '../smh/upload.ts'
import { relativePath } from './policy.ts'
import { type StoredUpload, storedUpload } from './stored-upload.ts'

/** The outcomes of a begin. Without hashes it is always a task. */
export type BegunUpload =
  | Exclude<BeginOutcome, { kind: 'stored' }>
  | { kind: 'stored'; stored: StoredUpload }

/**
 * Begins an upload in SMH. SMH creates no folders (docs/smh-protocol.md#5.2): a missing parent is created,
 * ancestors included, and begin is repeated once. Another request may create it at the same time; both
 * continue.
 *
 * @param createParents off: a missing parent is `parent_not_found`
 * @throws SmhError; GatewayError `name_conflict` when a file has the name of a folder; of an instant upload
 *   `upstream_error` when its file is not in the user's folder, `size_mismatch` when its size is not the
 *   declared one
 */
export async function beginInSmh(
  smh: SmhClient,
  upload: PermittedUpload,
  createParents: boolean,
  limits: CallLimits,
): Promise<BegunUpload> {
  try {
    return checked(await smh.begin(upload, limits), upload)
  } catch (error) {
    const parent = upload.path.slice(0, -1)
    const parentMissing = refusalOf(error)?.code === 'DirectoryNotFound' && parent.length > 0
    if (!parentMissing || !createParents) throw error
    const created = await smh.createDirectory(upload.scope, parent, limits)
    try {
      return checked(await smh.begin(upload, limits), upload)
    } catch (second) {
      // A file, and not a folder, has the name of the parent.
      if (!created && refusalOf(second)?.code === 'DirectoryNotFound') {
        throw new GatewayError('name_conflict', 'A file has the name of one of the folders.')
      }
      throw second
    }
  }
}

function checked(outcome: BeginOutcome, { scope, wanted }: PermittedUpload): BegunUpload {
  if (outcome.kind === 'task') return outcome
  // Without a hash SMH cannot find an existing file.
  if (wanted.beginningHash === undefined) {
    throw new SmhError({ kind: 'invalid_response', problem: 'shape' })
  }
  if (outcome.kind === 'needs-full-hash') return outcome
  const { size } = wanted
  const { file, smhRequestId } = outcome
  if (relativePath(scope.rootPath, file.path) === null) {
    throw new GatewayError('upstream_error', 'The media store did not complete the request.', {
      reason: 'foreign_path',
      severity: 'error',
      log: {
        declaredSize: size,
        storedSize: file.size,
        ...(smhRequestId && { smhRequestId }),
      },
    })
  }
  // The policy permits the declared size, so a larger file is a mismatch, not too large.
  const confirmation = { scope, size, confirmedBefore: false }
  return { kind: 'stored', stored: storedUpload(outcome, confirmation, Number.POSITIVE_INFINITY) }
}
