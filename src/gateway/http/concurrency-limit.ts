import type { Clock, Metrics } from '../ports.ts'
import { createPermits, type Permits } from './permits.ts'
import type { Step } from './pipeline.ts'

/** Maximum share of one user. It allows a burst and leaves permits to other users. */
const SHARE_OF_ONE_USER = 1 / 2

/**
 * Concurrent bodies and token verifications per request that may be served. They need only memory: a body
 * at most 64 KiB, a token 16 KiB. The CPU verifies one signature at a time in any case.
 */
const WAITING_PER_SERVED = 4

/** The permits of one gateway, by the phase of a request. */
export interface ConcurrencyLimit {
  /** For requests whose token is being verified. */
  verified: Permits
  /** For users' requests whose body is being received. */
  received: Permits
  /** For users' requests that are served, until their response is sent. */
  served: Permits
}

/**
 * Limits concurrent requests: at most `max` are served at once, at most half of them for one user. Token
 * verification and the receipt of bodies have separate limits, so that they never take a permit from a
 * request that could be served.
 *
 * @param options.servedMs maximum time to serve a request; older permits are dropped
 * @param options.waitedMs maximum time to verify a token or receive a body
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

/**
 * Holds a permit of the user until the response is sent and all work has ended. Throws GatewayError `overloaded`
 * when none is left.
 */
export function limitConcurrency(permits: Permits): Step {
  return (request) => {
    const permit = permits.acquire(request.user.id)
    request.onFinished(() => permits.release(permit))
    return undefined
  }
}

/** Runs `work` while it holds a permit. Throws GatewayError `overloaded` when none is left. */
export async function withPermit<T>(
  permits: Permits,
  userId: string | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const permit = permits.acquire(userId)
  try {
    return await work()
  } finally {
    permits.release(permit)
  }
}
