import { GatewayError } from '../errors.ts'
import type { BeginOutcome, SmhClient } from '../smh/client.ts'
import { refusalOf } from '../smh/smh-error.ts'
import type { CallLimits } from '../smh/transport.ts'
import type { PermittedUpload } from '../smh/upload.ts'
import { relativePath } from './policy.ts'
import { checkStoredSize } from './stored-size.ts'

/**
 * Begins an upload in SMH. SMH makes no folders on its own (docs/smh-protocol.md#5.2): when the parent is missing it
 * is created, ancestors included, and the begin repeated once. Another request may create it at
 * the same time; both continue.
 *
 * @param createParents off: a missing parent is `parent_not_found`
 * @throws GatewayError `name_conflict` when a file stands where a folder is wanted; of an instant upload
 *   `upstream_error` when its file is not in the user's folder, `size_mismatch` when it has another size
 *   than the declared one; and what SmhClient.begin gives
 */
export async function beginInSmh(
  smh: SmhClient,
  upload: PermittedUpload,
  createParents: boolean,
  limits: CallLimits,
): Promise<BeginOutcome> {
  const begin = async () => checked(await smh.begin(upload, limits), upload)
  try {
    return await begin()
  } catch (error) {
    const parent = upload.path.slice(0, -1)
    const parentMissing = refusalOf(error)?.code === 'DirectoryNotFound' && parent.length > 0
    if (!parentMissing || !createParents) throw error
    const created = await smh.createDirectory(upload.scope, parent, limits)
    try {
      return await begin()
    } catch (second) {
      // There is something of the parent's name, and it is no folder.
      if (!created && refusalOf(second)?.code === 'DirectoryNotFound') {
        throw new GatewayError('name_conflict', 'A file has the name of one of the folders.')
      }
      throw second
    }
  }
}

/** An instant upload is stored without a later check by us, so SMH's word for it is checked here. */
function checked(outcome: BeginOutcome, { scope, wanted }: PermittedUpload): BeginOutcome {
  // Without a hash SMH has nothing to store: the caller takes that for an unusable reply.
  if (outcome.kind !== 'stored' || wanted.beginningHash === undefined) return outcome
  const { file, smhRequestId } = outcome
  if (relativePath(scope.rootPath, file.path) === null) {
    throw new GatewayError('upstream_error', 'The media store could not do this.', {
      reason: 'foreign_path',
      severity: 'error',
      log: {
        declaredSize: wanted.size,
        storedSize: file.size,
        ...(smhRequestId && { smhRequestId }),
      },
    })
  }
  const { size } = wanted
  // The declared size is within the policy, so a size above it is no better told as too large.
  checkStoredSize(outcome, { size, confirmedBefore: false }, Number.POSITIVE_INFINITY)
  return outcome
}
