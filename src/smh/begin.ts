import { GatewayError } from '../errors.ts'
import type { PermittedUpload } from '../policy.ts'
import type { Bounds } from './call.ts'
import { type BeginOutcome, type SmhClient, smhCodeOf } from './client.ts'

/**
 * Begins an upload in SMH. SMH makes no folders on its own (SMH §5.2): when the parent is missing it
 * is created, ancestors included, and the begin repeated once. Somebody else may create it at the
 * same time; both go on.
 *
 * @param createParents off: a missing parent is `parent_not_found`
 * @throws GatewayError `name_conflict` when a file stands where a folder is wanted, and what
 *   SmhClient.begin gives
 */
export async function beginInSmh(
  smh: SmhClient,
  upload: PermittedUpload,
  createParents: boolean,
  bounds: Bounds,
): Promise<BeginOutcome> {
  try {
    return await smh.begin(upload, bounds)
  } catch (error) {
    const parent = upload.path.slice(0, -1)
    const parentMissing = smhCodeOf(error) === 'DirectoryNotFound' && parent.length > 0
    if (!parentMissing || !createParents) throw error
    const created = await smh.createDirectory(upload.place, parent, bounds)
    try {
      return await smh.begin(upload, bounds)
    } catch (second) {
      // There is something of the parent's name, and it is no folder.
      if (!created && smhCodeOf(second) === 'DirectoryNotFound') {
        throw new GatewayError('name_conflict', 'A file has the name of one of the folders.')
      }
      throw second
    }
  }
}
