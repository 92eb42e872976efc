import { uploadNotFound } from '../errors.ts'
import type { Log } from '../ports.ts'
import type { SmhClient } from '../smh/client.ts'
import { MAX_PARTS } from '../smh/replies.ts'
import type { OwnedUpload } from '../smh/upload.ts'
import { MIN_PART_BYTES } from './received-parts.ts'
import type { TimeBudget } from './time-budget.ts'

/**
 * Cost of each listed part, milliseconds of budget: more than a hundred times its CPU time in the gateway.
 */
const COST_MS_PER_PART = 0.5

/** Cost of a list whose length is not yet known, milliseconds of budget. Twenty are allowed at once. */
const LONGEST_COST_MS = MAX_PARTS * COST_MS_PER_PART

/** Shorter lists cost little. For them complete reports which parts are wrong. */
const SHORT_LIST_PARTS = 100

/**
 * Limits the cost of part lists. A list of 10,000 parts takes ten times the CPU of a begin, so one user
 * could slow down all others by requesting it repeatedly.
 *
 * - Each user has a time budget. A list uses some of it, depending on its length. The budget refills over
 *   time.
 * - An upload with more parts than its size allows can never be completed. It is cancelled.
 *
 * @returns the client with a `status` that may also throw GatewayError `rate_limited`, or
 *   `upload_not_found` after it has cancelled the upload. A status after a confirm has no signal and is not
 *   limited: it shows whether the file is stored.
 */
export function limitPartLists(
  smh: SmhClient,
  { log }: { log: Log },
  budget: TimeBudget,
): SmhClient {
  return {
    ...smh,
    async status(upload, limits) {
      const { userId } = upload.scope
      if (limits.signal) budget.require(userId, LONGEST_COST_MS)
      // Charged in advance: otherwise many concurrent calls would all be allowed.
      budget.owe(userId, LONGEST_COST_MS)
      let parts = 0
      try {
        const status = await smh.status(upload, limits)
        parts = status.parts?.length ?? 0
        if (status.confirmed || !isHopeless(parts, upload)) return status
      } finally {
        budget.owe(userId, parts * COST_MS_PER_PART - LONGEST_COST_MS)
      }
      // Best effort: if the cancel fails, the next call cancels the upload, or it expires in SMH.
      await smh.cancel(upload, { deadline: limits.deadline }).catch(() => undefined)
      log('warn', { event: 'upload_cancelled', reason: 'too_many_parts' })
      throw uploadNotFound({ reason: 'too_many_parts' })
    },
  }
}

/** Every part but the last has at least 1 MiB, and a received part cannot be removed. */
function isHopeless(parts: number, { size }: OwnedUpload): boolean {
  return parts > Math.max(SHORT_LIST_PARTS, Math.ceil(size / MIN_PART_BYTES))
}
