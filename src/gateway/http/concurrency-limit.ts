import type { Clock, Metrics } from '../ports.ts'
import { createPermits, type Permits } from './permits.ts'

/** The share of one user: room for a burst, while the rest stays for other users. */
const SHARE_OF_ONE_USER = 1 / 2

/**
 * Bodies received and tokens verified at once, for each request that may be served. Both cost memory alone:
 * a body at most 64 KiB, a token 16 KiB. Signatures wait for the CPU in any case.
 */
const WAITING_PER_SERVED = 4

/** The permits of one gateway, by what a request does. */
export interface ConcurrencyLimit {
  /** For requests whose token is verified. */
  verified: Permits
  /** For users' requests whose body is received. */
  received: Permits
  /** For users' requests that are served, until their response is sent. */
  served: Permits
}

/**
 * Limits concurrent requests: at most `max` are served at once, at most half of them for one user. Requests
 * whose token is verified or whose body arrives have limits of their own, so that they never take a permit
 * from a request that could be served.
 *
 * @param options.servedMs the longest that a request may be served; older permits are dropped
 * @param options.waitedMs the longest that a token may be verified or a body received
 */
export function createConcurrencyLimit(options: {
  max: number
  servedMs: number
  waitedMs: number
  monotonicClock: Clock
  metrics: Pick<Metrics, 'inFlight'>
}): ConcurrencyLimit {
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

  return { verified, received, served }
}

/** Runs `work` while it holds a permit. Throws GatewayError `overloaded` when none is left. */
export async function withPermit<T>(
  permits: Permits,
  userId: string | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const release = permits.acquire(userId)
  try {
    return await work()
  } finally {
    release()
  }
}
