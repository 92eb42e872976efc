import { LRUCache } from 'lru-cache'
import { GatewayError, uploadNotFound } from '../errors.ts'
import type { Clock, Log } from '../ports.ts'
import type { SmhClient } from '../smh/client.ts'
import { MAX_PARTS } from '../smh/replies.ts'
import type { OwnedUpload } from '../smh/upload.ts'
import { MIN_PART_BYTES } from './received-parts.ts'

/** What a part of a list costs its user: over a hundred times the CPU time that it takes the gateway. */
const COST_MS_PER_PART = 0.5

/** What a list costs while SMH has not sent it yet. */
const LONGEST_COST_MS = MAX_PARTS * COST_MS_PER_PART

/** What a user may owe: twenty of the longest lists at once, and then one in five seconds. */
const BUDGET_MS = 20 * LONGEST_COST_MS

/** Users that are counted at the same time. Of more, the one who asked longest ago owes nothing. */
const MAX_USERS = 50_000

/** Shorter lists cost little, and the client is better told which parts are wrong. */
const SHORT_LIST_PARTS = 100

/**
 * Limits what part lists may cost. A list of 10,000 parts takes ten times the CPU of a begin, and one user
 * could slow down all others by asking for it again and again.
 *
 * - Each user has a budget of time. A list costs some of it by its length, and time gives it back.
 * - An upload with more parts than its size allows can never be completed. It is cancelled.
 *
 * @returns the client with a `status` that may also throw GatewayError `rate_limited`, or
 *   `upload_not_found` after it has cancelled the upload. The status that follows a confirm has no
 *   signal, and is not refused: it says whether the file is stored.
 */
export function limitPartLists(
  smh: SmhClient,
  { monotonicClock, log }: { monotonicClock: Clock; log: Log },
): SmhClient {
  /** When the budget of a user is whole again. */
  const paidAt = new LRUCache<string, number>({ max: MAX_USERS })

  function owe(userId: string, costMs: number): void {
    paidAt.set(userId, Math.max(monotonicClock(), paidAt.get(userId) ?? 0) + costMs)
  }

  function refuseIfOwing(userId: string): void {
    const owedMs = Math.max(0, (paidAt.get(userId) ?? 0) - monotonicClock())
    const waitMs = owedMs + LONGEST_COST_MS - BUDGET_MS
    if (waitMs <= 0) return
    throw new GatewayError('rate_limited', 'Too many requests for long part lists.', {
      headers: { 'Retry-After': String(Math.ceil(waitMs / 1000)) },
    })
  }

  return {
    ...smh,
    async status(upload, limits) {
      const { userId } = upload.scope
      if (limits.signal) refuseIfOwing(userId)
      // Paid in advance: otherwise many calls at once would all be allowed.
      owe(userId, LONGEST_COST_MS)
      let parts = 0
      try {
        const status = await smh.status(upload, limits)
        parts = status.parts?.length ?? 0
        if (status.confirmed || !isHopeless(parts, upload)) return status
      } finally {
        owe(userId, parts * COST_MS_PER_PART - LONGEST_COST_MS)
      }
      // At best: what cannot be cancelled now is cancelled by the next call, or expires in SMH.
      await smh.cancel(upload, { deadline: limits.deadline }).catch(() => undefined)
      log('warn', { event: 'upload_cancelled', reason: 'too_many_parts' })
      throw uploadNotFound({ reason: 'too_many_parts' })
    },
  }
}

/** Every part but the last has at least 1 MiB, and a part that has arrived cannot be taken back. */
function isHopeless(parts: number, { size }: OwnedUpload): boolean {
  return parts > Math.max(SHORT_LIST_PARTS, Math.ceil(size / MIN_PART_BYTES))
}
