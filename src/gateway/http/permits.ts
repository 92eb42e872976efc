import { GatewayError } from '../errors.ts'
import type { Clock } from '../ports.ts'

export interface Permits {
  /**
   * Takes a permit, for one user if there is an id.
   *
   * @throws GatewayError `overloaded` when no permit is left
   */
  acquire(userId?: string): Permit
  /** Returns a permit. A second return has no effect. */
  release(permit: Permit): void
}

interface Permit {
  readonly userId: string | undefined
  readonly acquiredAt: number
}

/**
 * Hands out at most `max` permits at once, at most `maxOfUser` of them to one user.
 *
 * A permit ends after `maxAgeMs`: when none is left, older ones are dropped. Workers can end a request
 * without running its `finally`, which would lose its permit.
 *
 * @param options.onCount receives the number of permits in use after each change
 */
export function createPermits(options: {
  max: number
  maxOfUser?: number
  maxAgeMs: number
  monotonicClock: Clock
  onCount?: (count: number) => void
}): Permits {
  const { max, maxOfUser = max, maxAgeMs, monotonicClock, onCount } = options
  /** Oldest first. */
  const held = new Set<Permit>()
  const perUser = new Map<string, number>()

  function count(userId: string | undefined, change: 1 | -1): void {
    onCount?.(held.size)
    if (userId === undefined) return
    const left = (perUser.get(userId) ?? 0) + change
    if (left === 0) perUser.delete(userId)
    else perUser.set(userId, left)
  }

  function release(permit: Permit): void {
    if (held.delete(permit)) count(permit.userId, -1)
  }

  const isFull = () => held.size >= max
  const isFullFor = (userId: string | undefined) =>
    userId !== undefined && (perUser.get(userId) ?? 0) >= maxOfUser

  function dropOld(now: number): void {
    for (const permit of held) {
      if (now - permit.acquiredAt < maxAgeMs) return
      release(permit)
    }
  }

  return {
    acquire(userId) {
      const now = monotonicClock()
      if (isFull() || isFullFor(userId)) dropOld(now)
      if (isFull()) throw overloaded('Too many concurrent requests.')
      if (isFullFor(userId)) throw overloaded('Too many concurrent requests of this user.')
      const permit = { userId, acquiredAt: now }
      held.add(permit)
      count(userId, 1)
      return permit
    },
    release,
  }
}

function overloaded(detail: string): GatewayError {
  return new GatewayError('overloaded', detail, { headers: { 'Retry-After': '1' } })
}
