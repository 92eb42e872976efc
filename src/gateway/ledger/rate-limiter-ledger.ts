import type { RateLimiter } from '../ports.ts'
import type { CountedBegin, Ledger } from './ledger.ts'

/**
 * A ledger whose begins are counted by a rate limiter that only tells yes or no.
 *
 * @param ledger everything else; must not limit the rate
 */
export function withRateLimiter(limiter: RateLimiter, ledger: Ledger): Ledger {
  /** A limiter that fails allows the call. */
  async function consume(userId: string): Promise<number> {
    try {
      return await limiter.consume(userId)
    } catch {
      return 0
    }
  }

  async function count(userId: string): Promise<CountedBegin> {
    return { rate: undefined, waitMs: 1000 * (await consume(userId)) }
  }
  return {
    ...ledger,
    count,
    async begin(userId, idempotency, replaces) {
      const { waitMs } = replaces === undefined ? await count(userId) : { waitMs: 0 }
      if (waitMs > 0) return { kind: 'rate_limited', rate: undefined, waitMs }
      return ledger.begin(userId, idempotency, replaces)
    },
  }
}
