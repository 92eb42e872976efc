import { LRUCache } from 'lru-cache'
import type { Clock, RateLimiter } from '../ports.ts'

const MINUTE_MS = 60_000

/** Users that are counted at the same time, some 10 MB; of more, the one whose last call is the oldest starts with a full limit. */
const MAX_USERS = 50_000

/**
 * Counts in this process's memory. A user may make `perMinute` calls at once, and from then on that
 * many a minute, evenly: a user who never stops gets no burst each minute, which others would feel.
 *
 * This is the generic cell rate algorithm (ITU-T I.371), one number for each user. The libraries have
 * windows that start full, and a timer for each user.
 *
 * @param perMinute 0 allows everything
 */
export function createMemoryRateLimiter(perMinute: number, monotonicClock: Clock): RateLimiter {
  if (perMinute === 0) return { consume: async () => 0 }
  const oneTakesMs = MINUTE_MS / perMinute
  /** When all calls of a user would be done, each taking its time. */
  const doneAt = new LRUCache<string, number>({ max: MAX_USERS })
  return {
    async consume(userId) {
      const now = monotonicClock()
      const done = Math.max(now, doneAt.get(userId) ?? 0) + oneTakesMs
      const waitMs = done - (now + MINUTE_MS)
      // With room for one it is nothing, but for what the division has lost.
      if (waitMs > oneTakesMs / 2) return Math.ceil(waitMs / 1000)
      doneAt.set(userId, done)
      return 0
    },
  }
}
