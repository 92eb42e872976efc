// The duties of a begin that `by-hand.js` and `fastify-duties.js` share: what an experienced engineer would write
// for one endpoint, for speed. It imports nothing of the gateway.
import { signConfirmKey } from './duties/confirm-key.js'
import { createPermits } from './duties/limits.js'
import { metadataOf } from './duties/metadata.js'
import { namesOf } from './duties/names.js'
import { recordInFlight } from './duties/observe.js'
import { permit } from './duties/policy.js'
import { DEADLINE_MS, settings } from './duties/settings.js'
import { beginInSmh } from './duties/smh.js'

export { bodyTooLarge, checkMediaType, parseBegin, parseJson, readBody } from './duties/body.js'
export { Disconnect } from './duties/http-call.js'
export { limitRate } from './duties/limits.js'
export { announce, log, recordRequest } from './duties/observe.js'
export { invalidRequest, Problem, problemBody, toProblem } from './duties/problem.js'
export {
  BODY_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_BODY_BYTES,
  REQUEST_TIMEOUT_MS,
  settings,
} from './duties/settings.js'
export { userOf } from './duties/users.js'

const { maxInFlight } = settings
const maxOfUser = Math.max(1, Math.floor(maxInFlight / 2))

/** For bodies that are being received, and for requests that are served. */
export const received = createPermits(4 * maxInFlight, maxOfUser)
export const served = createPermits(maxInFlight, maxOfUser, recordInFlight)

/** The client's request id is kept if it is safe in a log. */
export function requestIdOf(headers) {
  const wanted = headers['x-request-id']
  return wanted && /^[\w\-=]{1,255}$/.test(wanted) ? wanted : crypto.randomUUID()
}

/**
 * Begins a valid upload for a user: the policy decides, SMH creates the task, its confirm key is signed.
 *
 * @param startedAt of the request, on the clock of `performance.now()`
 * @returns the fields and headers of the response
 * @throws Problem
 */
export async function begin(user, wanted, headers, startedAt, disconnect) {
  const metadata = metadataOf(headers, settings.upload.metaKeys)
  const names = namesOf(wanted.path)
  permit(wanted, names.at(-1))
  const deadline = startedAt + DEADLINE_MS
  const task = await beginInSmh(user, names, wanted, metadata, deadline, disconnect)
  const confirmKey = signConfirmKey(user, wanted, task.confirmKey)
  const { domain, path, uploadId, headers: signed } = task
  return {
    credentials: { domain, path, uploadId, headers: signed, confirmKey },
    location: `/v1/uploads/${confirmKey}`,
    expires: new Date(task.expiration).toUTCString(),
  }
}
