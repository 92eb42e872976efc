import { LRUCache } from 'lru-cache'
import type { Background, Clock } from '../ports.ts'
import type { Authenticate, User, VerifyUser } from './authenticate.ts'
import type { JwksCache } from './jwks-cache.ts'

interface CachedToken {
  user: User
  /** The key set that verified the token. */
  keysVersion: number
  /** On the monotonic clock, milliseconds. */
  endsAt: number
}

/** Maximum length of all cached headers together. The parsed claims take several times as much memory. */
const MAX_CACHED_CHARACTERS = 4 * 1024 * 1024

/** Other spellings of the header are not cached. Otherwise one token could evict those of other users. */
const isUsual = /^[Bb]earer [^ ]/

/**
 * Caches verified tokens, so that the signature is verified only once for all requests of an upload. The
 * key is the whole header, so no other token can match. Only valid tokens are cached: until their `exp`,
 * for at most `seconds`, and until the issuer's keys change.
 *
 * @param deps.seconds 0 caches nothing
 */
export function createTokenCache(deps: {
  authenticate: VerifyUser
  keys: Pick<JwksCache, 'version'>
  clock: Clock
  monotonicClock: Clock
  seconds: number
}): Authenticate {
  const { authenticate, keys, clock, monotonicClock, seconds } = deps
  if (seconds === 0) return authenticate
  const cached = new LRUCache<string, CachedToken>({
    maxSize: MAX_CACHED_CHARACTERS,
    sizeCalculation: (_, authorization) => authorization.length,
  })

  function isValid({ user, keysVersion, endsAt }: CachedToken): boolean {
    if (keysVersion !== keys.version() || monotonicClock() >= endsAt) return false
    return clock() < Number(user.claims.exp) * 1000
  }

  async function verify(authorization: string, background: Background): Promise<User> {
    // Read before the verification, during which the keys may change.
    const keysVersion = keys.version()
    const endsAt = monotonicClock() + seconds * 1000
    const user = await authenticate(authorization, background)
    cached.set(authorization, { user, keysVersion, endsAt })
    return user
  }

  return function authenticateCached(authorization, background) {
    if (authorization === undefined || !isUsual.test(authorization)) {
      return authenticate(authorization, background)
    }
    const known = cached.get(authorization)
    return known && isValid(known) ? known.user : verify(authorization, background)
  }
}
