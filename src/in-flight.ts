import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'
import type { Metrics } from './deps.ts'
import { GatewayError } from './errors.ts'

/** What one user may take of all places: room for a burst, and the rest stays for the others. */
const SHARE_OF_ONE_USER = 1 / 2

type Counted = <T>(c: Context<AppEnv>, work: () => Promise<T>) => Promise<T>

export interface InFlightLimits {
  /** Does the work of one request when there is a place left, before anything is known of its user. */
  ofAll: Counted
  /** Does it when its user has a place left. */
  ofUser: Counted
}

/**
 * Lets at most `max` requests be served at the same time, and half of them for any one user. One
 * more gets `overloaded` at once, which costs next to nothing. An answer keeps its place until it has
 * been taken.
 */
export function limitInFlight(max: number, metrics: Metrics): InFlightLimits {
  const maxOfUser = Math.max(1, Math.floor(max * SHARE_OF_ONE_USER))
  const ofUsers = new Map<string, number>()
  let all = 0

  function leave(): void {
    all -= 1
    metrics.inFlight(all)
  }

  function leaveOf(userId: string): void {
    const left = (ofUsers.get(userId) ?? 1) - 1
    if (left === 0) ofUsers.delete(userId)
    else ofUsers.set(userId, left)
  }

  return {
    async ofAll(c, work) {
      if (all >= max) throw overloaded('Too many requests are being served at once.')
      all += 1
      metrics.inFlight(all)
      try {
        return await work()
      } finally {
        whenTaken(c, leave)
      }
    },

    async ofUser(c, work) {
      const { id } = c.get('user')
      const own = ofUsers.get(id) ?? 0
      if (own >= maxOfUser) throw overloaded('Too many of your requests are being served at once.')
      ofUsers.set(id, own + 1)
      try {
        return await work()
      } finally {
        whenTaken(c, () => leaveOf(id))
      }
    },
  }
}

function whenTaken(c: Context<AppEnv>, done: () => void): void {
  // Whoever serves `fetch` by a server of their own hands over no bindings at all.
  const { whenTaken } = c.env ?? {}
  if (whenTaken) whenTaken(done)
  else done()
}

function overloaded(detail: string): GatewayError {
  return new GatewayError('overloaded', detail, { headers: { 'Retry-After': '1' } })
}
