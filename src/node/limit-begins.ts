import { LRUCache } from 'lru-cache'
import type { Clock, LimitBegins } from '../deps.ts'

const MINUTE_MS = 60_000

/** Users that are counted at the same time, some 10 MB; of more, those who began longest ago start anew. */
const MAX_USERS = 50_000

/**
 * Counts in this process's memory. A user may begin `perMinute` uploads at once, and from then on that
 * many a minute, evenly: who goes on without end gets no burst each minute, which others would feel.
 *
 * This is the generic cell rate algorithm (ITU-T I.371), one number for each user. The libraries have
 * windows that start full, and a timer for each user.
 */
export function createLimitBegins(perMinute: number, steadyClock: Clock): LimitBegins {
  if (perMinute === 0) return async () => 0
  const oneTakesMs = MINUTE_MS / perMinute
  /** When all that a user has begun would be done, each taking its time. */
  const doneAt = new LRUCache<string, number>({ max: MAX_USERS })
  return async (userId) => {
    const now = steadyClock()
    const done = Math.max(now, doneAt.get(userId) ?? 0) + oneTakesMs
    const waitMs = done - (now + MINUTE_MS)
    // With room for one it is nothing, but for what the division has lost.
    if (waitMs > oneTakesMs / 2) return Math.ceil(waitMs / 1000)
    doneAt.set(userId, done)
    return 0
  }
}
