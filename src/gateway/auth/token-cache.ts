import { LRUCache } from 'lru-cache'
import type { Clock } from '../ports.ts'
import type { Authenticate, User } from './authenticate.ts'
import type { JwksCache } from './jwks-cache.ts'

interface Remembered {
  user: User
  /** The key set that the token was checked with. */
  keysVersion: number
  /** By the steady clock. */
  until: number
}

/** Characters of headers, all together; what was parsed of them takes a few times as much. */
const MAX_REMEMBERED_CHARACTERS = 4 * 1024 * 1024

/** One token can be written in many more ways. Each would take room, and the tokens of others would go. */
const isUsual = /^[Bb]earer [^ ]/

/**
 * Skips the signature check of a token that was verified before, as in every later request of an upload.
 * The key is the whole header, so another token cannot hit. Only valid tokens are cached: until `exp`, for
 * `seconds` at most, and until the issuer's keys change. Headers in an unusual spelling are not cached.
 *
 * @param deps.seconds 0 remembers nothing
 */
export function rememberUsers(deps: {
  authenticate: Authenticate
  keys: Pick<JwksCache, 'version'>
  clock: Clock
  monotonicClock: Clock
  seconds: number
}): Authenticate {
  const { authenticate, keys, clock, monotonicClock, seconds } = deps
  if (seconds === 0) return authenticate
  const remembered = new LRUCache<string, Remembered>({
    maxSize: MAX_REMEMBERED_CHARACTERS,
    sizeCalculation: (_, authorization) => authorization.length,
  })

  function isGood({ user, keysVersion, until }: Remembered): boolean {
    if (keysVersion !== keys.version() || monotonicClock() >= until) return false
    return clock() < Number(user.claims.exp) * 1000
  }

  return async function authenticateOrRemember(authorization, background) {
    if (authorization === undefined || !isUsual.test(authorization)) {
      return authenticate(authorization, background)
    }
    const known = remembered.get(authorization)
    if (known && isGood(known)) return known.user
    // Before the check: keys that change meanwhile are not the ones it may have gone by.
    const keysVersion = keys.version()
    const until = monotonicClock() + seconds * 1000
    const user = await authenticate(authorization, background)
    remembered.set(authorization, { user, keysVersion, until })
    return user
  }
}
