import type { Authenticate } from '../auth/authenticate.ts'
import { GatewayError } from '../errors.ts'
import type { RateLimiter } from '../ports.ts'
import type { Permits } from './permits.ts'
import type { Step } from './pipeline.ts'

/** Verifies the token. Throws what `authenticate` throws. */
export function authenticateUser(authenticate: Authenticate): Step {
  return async (request) => {
    const authorization = request.hono.req.header('authorization')
    request.user = await authenticate(authorization, request.background)
    return undefined
  }
}

/** Counts the request of its user. Throws GatewayError `rate_limited` above the limit. */
export function limitRate(limiter: RateLimiter, detail: string): Step {
  return async ({ user }) => {
    const waitSeconds = await limiter.consume(user.id)
    if (waitSeconds === 0) return undefined
    const headers = { 'Retry-After': String(waitSeconds) }
    throw new GatewayError('rate_limited', detail, { headers })
  }
}

/**
 * Holds a permit of the user until the response is sent. Throws GatewayError `overloaded` when none is
 * left.
 */
export function limitConcurrency(permits: Permits): Step {
  return (request) => {
    request.release = permits.acquire(request.user.id)
    return undefined
  }
}
