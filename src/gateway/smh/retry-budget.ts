import { LRUCache } from 'lru-cache'
import type { Clock } from '../ports.ts'

/** Calls that earn one retry: while SMH fails it gets a tenth more calls, not three times as many. */
const CALLS_PER_RETRY = 10

/** Retries in reserve, so that a gateway with few calls can retry too. One comes back each second. */
const RESERVE = 10

/** Retries that calls can earn in advance: a long calm must not end in a burst. */
const MOST = 100

/** What one user may take of all of these: a user whose calls conflict must leave retries to the others. */
const SHARE_OF_ONE_USER = 1 / 2

/** Users that are counted at once. Of more, the one who came longest ago has a full reserve again. */
const MAX_USERS = 10_000

/** How many calls to SMH may be tried again: of all users and requests of this process together. */
export interface RetryBudget {
  /** Counts a call of this user, if it belongs to one, but not its retries. */
  earn(userId?: string): void
  /**
   * Takes one retry. False when none is left, or none for this user: then the call fails with what it has.
   */
  spend(userId?: string): boolean
}

/** @param monotonicClock milliseconds; the reserve comes back by it */
export function createRetryBudget(monotonicClock: Clock): RetryBudget {
  const ofAll = createBucket(1, monotonicClock)
  /** Of users who have taken a retry: only those can have less than their reserve. */
  const ofUsers = new LRUCache<string, Bucket>({ max: MAX_USERS })

  function bucketOf(userId: string): Bucket {
    const known = ofUsers.get(userId)
    if (known) return known
    const bucket = createBucket(SHARE_OF_ONE_USER, monotonicClock)
    ofUsers.set(userId, bucket)
    return bucket
  }

  return {
    earn(userId) {
      ofAll.earn()
      if (userId !== undefined) ofUsers.get(userId)?.earn()
    },
    spend(userId) {
      const own = userId === undefined ? undefined : bucketOf(userId)
      if (!ofAll.hasOne() || own?.hasOne() === false) return false
      ofAll.take()
      own?.take()
      return true
    },
  }
}

interface Bucket {
  earn(): void
  hasOne(): boolean
  take(): void
}

/** @param share of the reserve, of what comes back of it, and of what can be earned in advance */
function createBucket(share: number, monotonicClock: Clock): Bucket {
  // Counted in calls, so that sums are exact.
  const reserve = RESERVE * CALLS_PER_RETRY * share
  const most = MOST * CALLS_PER_RETRY * share
  let left = reserve
  let refilledAt = monotonicClock()

  return {
    earn() {
      left = Math.min(left + 1, most)
    },
    hasOne() {
      const now = monotonicClock()
      const refill = ((now - refilledAt) / 1000) * CALLS_PER_RETRY * share
      refilledAt = now
      left = Math.max(left, Math.min(reserve, left + refill))
      return left >= CALLS_PER_RETRY
    },
    take() {
      left -= CALLS_PER_RETRY
    },
  }
}
