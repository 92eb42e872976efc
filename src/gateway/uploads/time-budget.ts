import { LRUCache } from 'lru-cache'
import { GatewayError } from '../errors.ts'
import type { Clock } from '../ports.ts'

/**
 * Limits the users that are counted at the same time. With more users, the least recent one starts again
 * with a full budget.
 */
const MAX_USERS = 50_000

/** Budget of a user who has used nothing, milliseconds. */
const BUDGET_MS = 100_000

/** The time budget of each user for long lists. It refills as time passes. */
export interface TimeBudget {
  /** Uses some of the budget. A negative cost gives it back. */
  owe(userId: string, costMs: number): void
  /** @throws GatewayError `rate_limited` when less than `costMs` is left */
  require(userId: string, costMs: number): void
}

export function createTimeBudget(monotonicClock: Clock): TimeBudget {
  /** When the budget of each user is full again. */
  const paidAt = new LRUCache<string, number>({ max: MAX_USERS })

  return {
    owe(userId, costMs) {
      paidAt.set(userId, Math.max(monotonicClock(), paidAt.get(userId) ?? 0) + costMs)
    },
    require(userId, costMs) {
      const owedMs = Math.max(0, (paidAt.get(userId) ?? 0) - monotonicClock())
      const waitMs = owedMs + costMs - BUDGET_MS
      if (waitMs <= 0) return
      const headers = { 'Retry-After': String(Math.ceil(waitMs / 1000)) }
      throw new GatewayError('rate_limited', 'Too many requests for long lists.', { headers })
    },
  }
}
