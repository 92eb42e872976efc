import { LRUCache } from 'lru-cache'
import type { Clock } from '../ports.ts'

/**
 * Calls that earn one retry. So during an outage SMH gets 10 % more calls instead of three times as many.
 */
const CALLS_PER_RETRY = 10

/** Retries in reserve, so that a gateway with few calls can retry too. One returns each second. */
const RESERVE = 10

/**
 * Limits the retries that calls can earn in advance. Otherwise a long time without failures would end in a
 * burst.
 */
const MOST = 100

/** The share that one user may use. A user whose calls always fail must leave retries to other users. */
const SHARE_OF_ONE_USER = 1 / 2

/**
 * Limits the users that are counted at the same time. With more users, the least recent one starts again
 * with a full reserve.
 */
const MAX_USERS = 10_000

/** Limits the retries of calls to SMH, over all users and requests of this process. */
export interface RetryBudget {
  /** Counts a call of this user, if it belongs to one, but not its retries. */
  earn(userId?: string): void
  /**
   * Takes one retry. Returns false when none is left, or none for this user: then the call fails with its
   * last error.
   */
  spend(userId?: string): boolean
}

/** @param monotonicClock in milliseconds; refills the reserve */
export function createRetryBudget(monotonicClock: Clock): RetryBudget {
  const ofAll = createBucket(1, monotonicClock)
  /** The budgets of users who have used a retry. All other users have a full reserve. */
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

/** @param share of the reserve, of its refill, and of the retries that can be earned in advance */
function createBucket(share: number, monotonicClock: Clock): Bucket {
  // Counted in calls instead of retries, so that sums are exact.
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
