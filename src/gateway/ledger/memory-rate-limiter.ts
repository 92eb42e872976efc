import { LRUCache } from 'lru-cache'
import type { Clock, RateLimiter } from '../ports.ts'
import { countCall } from './gcra.ts'

/**
 * Limits the users that are counted at the same time. They take about 10 MB. With more users, the least
 * recent one starts again with a full limit.
 */
const MAX_USERS = 50_000

/**
 * Creates a rate limiter in this process's memory. The known libraries use windows that start full, and a timer
 * per user.
 *
 * @param perMinute 0 allows everything
 */
export function createMemoryRateLimiter(perMinute: number, monotonicClock: Clock): RateLimiter {
  if (perMinute === 0) return { consume: () => 0 }
  /** By user id: the state of {@link countCall}. */
  const doneAt = new LRUCache<string, number>({ max: MAX_USERS })
  return {
    consume(userId) {
      const counted = countCall(doneAt.get(userId) ?? 0, monotonicClock(), perMinute)
      if (counted.waitMs > 0) return Math.ceil(counted.waitMs / 1000)
      doneAt.set(userId, counted.doneAt)
      return 0
    },
  }
}
