import type { RateLimiter } from '../ports.ts'
import type { CountedBegin, Ledger } from './ledger.ts'

/**
 * A ledger whose begins are counted by a rate limiter that only tells yes or no.
 *
 * @param ledger everything else; must not limit the rate
 */
export function withRateLimiter(limiter: RateLimiter, ledger: Ledger): Ledger {
  async function count(userId: string): Promise<CountedBegin> {
    const waitSeconds = await limiter.consume(userId)
    return { rate: undefined, waitMs: waitSeconds * 1000 }
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
