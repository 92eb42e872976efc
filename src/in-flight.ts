import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'
import type { Metrics } from './deps.ts'
import { GatewayError } from './errors.ts'

/** What one user may take of all places: room for a burst, and the rest stays for the others. */
const SHARE_OF_ONE_USER = 1 / 2

export interface InFlightLimits {
  ofAll: MiddlewareHandler<AppEnv>
  /** Behind authentication, which says who the user is. */
  ofUser: MiddlewareHandler<AppEnv>
}

/**
 * Lets at most `max` requests be served at the same time, and half of them for any one user. One
 * more gets `overloaded` at once, which costs next to nothing.
 */
export function limitInFlight(max: number, metrics: Metrics): InFlightLimits {
  const maxOfUser = Math.max(1, Math.floor(max * SHARE_OF_ONE_USER))
  const ofUsers = new Map<string, number>()
  let all = 0

  return {
    async ofAll(_c, next) {
      if (all >= max) throw overloaded('Too many requests are being served at once.')
      all += 1
      metrics.inFlight(all)
      try {
        await next()
      } finally {
        all -= 1
        metrics.inFlight(all)
      }
    },

    async ofUser(c, next) {
      const { id } = c.get('user')
      const own = ofUsers.get(id) ?? 0
      if (own >= maxOfUser) throw overloaded('Too many of your requests are being served at once.')
      ofUsers.set(id, own + 1)
      try {
        await next()
      } finally {
        const left = (ofUsers.get(id) ?? 1) - 1
        if (left === 0) ofUsers.delete(id)
        else ofUsers.set(id, left)
      }
    },
  }
}

function overloaded(detail: string): GatewayError {
  return new GatewayError('overloaded', detail, { headers: { 'Retry-After': '1' } })
}
