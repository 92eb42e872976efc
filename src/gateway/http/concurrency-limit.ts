import type { Context } from 'hono'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Clock, Metrics } from '../ports.ts'
import type { AppEnv } from './app-env.ts'
import { createPermits } from './permits.ts'

/** What one user may take of all permits: room for a burst, and the rest stays for the others. */
const SHARE_OF_ONE_USER = 1 / 2

/**
 * Bodies being received and tokens being verified, for each request that may be served. Both cost memory
 * only: a body at most 64 KiB, a token 16 KiB, and signatures wait for the CPU in any case.
 */
const WAITING_PER_SERVED = 4

export interface InFlightLimits {
  /** Bounds how many tokens are verified at once. Only the verification itself holds a permit. */
  verifying(authenticate: Authenticate): Authenticate
  /** Receives the body of a user's request. */
  receiving(userId: string, receive: () => Promise<void>): Promise<void>
  /** Handles a user's request. The permit is released when the response has been taken. */
  serving<T>(c: Context<AppEnv>, userId: string, handle: () => Promise<T>): Promise<T>
}

/**
 * Limits how many requests are in flight: `max` of them are served at once, at most half of them for one
 * user. Requests that wait for a token's verification or for their body are bounded apart, so that they
 * never take a permit from a request that could be served.
 *
 * Above a limit each function throws GatewayError `overloaded` at once.
 *
 * @param options.servedMs the longest that a request may be served; older permits are dropped
 * @param options.waitedMs the longest that a token may be verified or a body received
 */
export function limitInFlight(options: {
  max: number
  servedMs: number
  waitedMs: number
  monotonicClock: Clock
  metrics: Pick<Metrics, 'inFlight'>
}): InFlightLimits {
  const { max, servedMs, waitedMs, monotonicClock, metrics } = options
  const maxOfUser = Math.max(1, Math.floor(max * SHARE_OF_ONE_USER))
  const maxWaiting = max * WAITING_PER_SERVED
  const waits = { max: maxWaiting, maxAgeMs: waitedMs, monotonicClock }
  const verified = createPermits(waits)
  const received = createPermits({ ...waits, maxOfUser })
  const served = createPermits({
    max,
    maxOfUser,
    maxAgeMs: servedMs,
    monotonicClock,
    onCount: (count) => metrics.inFlight(count),
  })

  return {
    verifying(authenticate) {
      return async (authorization, background) => {
        const release = verified.acquire()
        try {
          return await authenticate(authorization, background)
        } finally {
          release()
        }
      }
    },

    async receiving(userId, receive) {
      const release = received.acquire(userId)
      try {
        await receive()
      } finally {
        release()
      }
    },

    async serving(c, userId, handle) {
      const release = served.acquire(userId)
      try {
        return await handle()
      } finally {
        // A server of an embedder passes no bindings at all.
        const { responseClosed } = c.env ?? {}
        if (responseClosed) responseClosed(release)
        else release()
      }
    },
  }
}
