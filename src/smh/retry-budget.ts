import type { Clock } from '../deps.ts'

/** Calls that earn one retry: while SMH fails it gets a tenth more calls, not three times as many. */
const CALLS_PER_RETRY = 10

/** Retries in reserve, so that a gateway with few calls can retry too. One comes back each second. */
const RESERVE = 10

/** Retries that calls can earn in advance: a long calm must not end in a burst. */
const MOST = 100

/** How many calls to SMH may be tried again: of all users and requests of this process together. */
export interface RetryBudget {
  /** Counts a call, but not its retries. */
  earn(): void
  /** Takes one retry. False when none is left: then the call fails with what it has. */
  spend(): boolean
}

/** @param steadyClock milliseconds; the reserve comes back by it */
export function createRetryBudget(steadyClock: Clock): RetryBudget {
  // Counted in calls, so that sums are exact.
  const reserve = RESERVE * CALLS_PER_RETRY
  let left = reserve
  let refilledAt = steadyClock()

  return {
    earn() {
      left = Math.min(left + 1, MOST * CALLS_PER_RETRY)
    },
    spend() {
      const now = steadyClock()
      const refill = ((now - refilledAt) / 1000) * CALLS_PER_RETRY
      refilledAt = now
      left = Math.max(left, Math.min(reserve, left + refill))
      if (left < CALLS_PER_RETRY) return false
      left -= CALLS_PER_RETRY
      return true
    },
  }
}
