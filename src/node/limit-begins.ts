import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { LimitBegins } from '../deps.ts'

/** Counts in this process's memory; an entry goes away when its minute is over. */
export function createLimitBegins(perMinute: number): LimitBegins {
  if (perMinute === 0) return async () => 0
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 })
  return async (userId) => {
    try {
      await limiter.consume(userId)
      return 0
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
    }
  }
}
