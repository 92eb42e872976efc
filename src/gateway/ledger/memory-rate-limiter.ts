import { LRUCache } from 'lru-cache'
import type { Clock, RateLimiter } from '../ports.ts'

const MINUTE_MS = 60_000

/**
 * Limits the users that are counted at the same time. They take about 10 MB. With more users, the least
 * recent one starts again with a full limit.
 */
const MAX_USERS = 50_000

/**
 * Creates a rate limiter in this process's memory. A user may make `perMinute` calls at once, and then
 * `perMinute` calls a minute at an even rate. So a user who never pauses gets no burst each minute.
 *
 * This is the generic cell rate algorithm (ITU-T I.371), with one number per user. The known libraries
 * use windows that start full, and a timer per user.
 *
 * @param perMinute 0 allows everything
 */
export function createMemoryRateLimiter(perMinute: number, monotonicClock: Clock): RateLimiter {
  if (perMinute === 0) return { consume: () => 0 }
  const oneTakesMs = MINUTE_MS / perMinute
  /** By user id: when all calls of the user would have been made at the even rate. */
  const doneAt = new LRUCache<string, number>({ max: MAX_USERS })
  return {
    consume(userId) {
      const now = monotonicClock()
      const done = Math.max(now, doneAt.get(userId) ?? 0) + oneTakesMs
      const waitMs = done - (now + MINUTE_MS)
      // An allowed call waits at most 0 ms, plus the rounding error of the division.
      if (waitMs > oneTakesMs / 2) return Math.ceil(waitMs / 1000)
      doneAt.set(userId, done)
      return 0
    },
  }
}
