import { LRUCache } from 'lru-cache'
import { Problem } from './problem.js'
import { settings } from './settings.js'

const MINUTE_MS = 60_000
const MAX_USERS = 50_000

/** By user: when all requests of the user would have been made at an even rate (GCRA). */
const doneAt = new LRUCache({ max: MAX_USERS })
const oneTakesMs = settings.perMinute === 0 ? 0 : MINUTE_MS / settings.perMinute

/**
 * Counts a begin of this user.
 *
 * @throws Problem `rate_limited`
 */
export function limitRate(userId) {
  if (oneTakesMs === 0) return
  const now = performance.now()
  const done = Math.max(now, doneAt.get(userId) ?? 0) + oneTakesMs
  const waitMs = done - now - MINUTE_MS
  if (waitMs > oneTakesMs / 2) {
    throw new Problem(429, 'rate_limited', 'Too many uploads begun within a short time.', {
      headers: { 'Retry-After': String(Math.ceil(waitMs / 1000)) },
    })
  }
  doneAt.set(userId, done)
}

/** Hands out permits for concurrent work, at most `max` at once and `maxOfUser` of them to one user. */
export function createPermits(max, maxOfUser, onCount = () => {}) {
  const ofUser = new Map()
  let held = 0
  return {
    /** @throws Problem `overloaded` */
    acquire(userId) {
      const own = ofUser.get(userId) ?? 0
      if (held >= max || own >= maxOfUser) {
        throw new Problem(503, 'overloaded', 'Too many concurrent requests.', {
          headers: { 'Retry-After': '1' },
        })
      }
      held += 1
      ofUser.set(userId, own + 1)
      onCount(held)
    },
    release(userId) {
      held -= 1
      const own = ofUser.get(userId)
      if (own === 1) ofUser.delete(userId)
      else ofUser.set(userId, own - 1)
      onCount(held)
    },
  }
}
