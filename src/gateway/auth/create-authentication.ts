import type { Config } from '../config/parse.ts'
import type { Ports } from '../ports.ts'
import { type Authenticate, createAuthenticate } from './authenticate.ts'
import { watchAuthentication } from './authentication-watch.ts'
import { createJwksCache, type JwksCache } from './jwks-cache.ts'
import { createTokenCache } from './token-cache.ts'

/** Builds authentication from keys, verification, cache and counters. */
export interface Authentication {
  keys: JwksCache
  authenticate: Authenticate
}

/**
 * @param timeoutMs timeout of one fetch of keys
 * @param limitVerification runs a verification within a limit. A cached token needs none
 */
export function createAuthentication(
  ports: Ports,
  { jwt, maxInFlight }: Config,
  timeoutMs: number,
  limitVerification: <T>(verify: () => Promise<T>) => Promise<T>,
): Authentication {
  const { clock, monotonicClock, httpClient, singleFlight, log, metrics } = ports
  const keys = createJwksCache({
    jwt,
    httpClient,
    monotonicClock,
    singleFlight,
    log,
    timeoutMs,
    maxInFlight,
  })
  const verify = createAuthenticate({ jwt, keys, clock })
  const cached = createTokenCache({
    authenticate: (authorization, background) =>
      limitVerification(() => verify(authorization, background)),
    keys,
    clock,
    monotonicClock,
    seconds: jwt.cacheSeconds,
  })
  const authenticate = watchAuthentication({ authenticate: cached, monotonicClock, log, metrics })
  return { keys, authenticate }
}
