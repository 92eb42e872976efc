import type { Ledger, OpenUpload } from '../ledger/ledger.ts'
import type { UploadScope } from '../smh/upload.ts'
import type { ConfirmKeySigner } from './confirm-key.ts'
import { scopeHash } from './scope-hash.ts'
import type { TimeBudget } from './time-budget.ts'

/**
 * Cost of each listed upload, milliseconds of budget: more than a hundred times its CPU time in the gateway. A user
 * may have a hundred lists of the default `UPLOAD_MAX_OPEN` at once, then one a second.
 */
const COST_MS_PER_UPLOAD = 5

/**
 * The open uploads of a user in this space and folder, newest first. The confirm key decides, as everywhere.
 * An upload whose key no longer verifies cannot be used: it leaves the ledger, so that it takes no place.
 *
 * @param maxListed the length of the longest list
 * @throws GatewayError `rate_limited` after many long lists
 */
export async function listOpenUploads(
  { ledger, confirmKeys, listBudget }: OpenUploadsServices,
  scope: UploadScope,
  maxListed: number,
  now: number,
): Promise<OpenUpload[]> {
  const { userId } = scope
  const longestMs = maxListed * COST_MS_PER_UPLOAD
  listBudget.require(userId, longestMs)
  // Charged in advance: otherwise many concurrent calls would all be allowed.
  listBudget.owe(userId, longestMs)
  const known = await ledger.list(userId)
  listBudget.owe(userId, known.length * COST_MS_PER_UPLOAD - longestMs)

  const hash = scopeHash(scope)
  const usable: OpenUpload[] = []
  for (const upload of known) {
    if (upload.scope !== hash) continue
    if (confirmKeys.verify(scope, upload.confirmKey, now)) usable.push(upload)
    else await ledger.ended(userId, upload.confirmKey, 'aborted')
  }
  return usable
}

interface OpenUploadsServices {
  ledger: Ledger
  confirmKeys: ConfirmKeySigner
  listBudget: TimeBudget
}
