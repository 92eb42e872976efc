import { GatewayError } from '../errors.ts'
import type { RateLimiter } from '../ports.ts'
import type { Step } from './pipeline.ts'

/** Counts the request of its user. Throws GatewayError `rate_limited` above the limit. */
export function limitRate(limiter: RateLimiter, detail: string): Step {
  function refuseEarly(waitSeconds: number): undefined {
    if (waitSeconds === 0) return undefined
    const headers = { 'Retry-After': String(waitSeconds) }
    throw new GatewayError('rate_limited', detail, { headers })
  }

  return ({ user }) => {
    const waitSeconds = limiter.consume(user.id)
    return waitSeconds instanceof Promise ? waitSeconds.then(refuseEarly) : refuseEarly(waitSeconds)
  }
}
