import { GatewayError } from '../errors.ts'
import type { RateLimiter } from '../ports.ts'
import type { Step } from './pipeline.ts'

/**
 * Counts a request of its user that does not begin an upload. Throws GatewayError `rate_limited` above the limit.
 */
export function limitRate(limiter: RateLimiter): Step {
  function refuseEarly(waitSeconds: number): undefined {
    if (waitSeconds === 0) return undefined
    const headers = { 'Retry-After': String(waitSeconds) }
    throw new GatewayError('rate_limited', 'Too many requests within a short time.', { headers })
  }

  return ({ user }) => {
    const waitSeconds = limiter.consume(user.id)
    return waitSeconds instanceof Promise ? waitSeconds.then(refuseEarly) : refuseEarly(waitSeconds)
  }
}
