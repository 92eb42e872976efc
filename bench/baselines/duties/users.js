import { createRemoteJWKSet, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { folderName } from './names.js'
import { Problem } from './problem.js'
import { settings } from './settings.js'

const MAX_CACHED_TOKENS = 20_000
const MAX_TOKEN_CHARACTERS = 8 * 1024
const MAX_USER_ID_CHARACTERS = 256
const challenge = 'Bearer realm="uploads"'

const keys = createRemoteJWKSet(new URL(settings.jwt.jwksUrl))
const options = {
  issuer: settings.jwt.issuer,
  audience: settings.jwt.audience,
  algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
  clockTolerance: 5,
  requiredClaims: ['exp'],
}

/** By the whole header, so that no other token can match. */
const cached = new LRUCache({ max: MAX_CACHED_TOKENS })

/**
 * Returns the user of an `Authorization` header: without a promise when the token is cached. A cached token
 * ends with its `exp`.
 *
 * @throws Problem `missing_token`, `invalid_token`
 */
export function userOf(authorization) {
  const known = authorization === undefined ? undefined : cached.get(authorization)
  return known !== undefined && Date.now() < known.endsAt ? known : verify(authorization)
}

async function verify(authorization = '') {
  if (!/^bearer(?:\s|$)/i.test(authorization)) {
    throw new Problem(401, 'missing_token', 'A bearer token is required.', {
      headers: { 'WWW-Authenticate': challenge },
    })
  }
  const token = /^bearer +([\w.-]+)$/i.exec(authorization)?.[1]
  if (token === undefined || token.length > MAX_TOKEN_CHARACTERS) throw invalidToken('malformed')
  const { payload, protectedHeader } = await jwtVerify(token, keys, options).catch((error) => {
    throw invalidToken(error.code)
  })
  const { sub: id, exp } = payload
  const { typ = 'JWT' } = protectedHeader
  if (!/^(application\/)?(at\+)?jwt$/i.test(typ)) throw invalidToken('type')
  if (typeof id !== 'string' || id === '' || !id.isWellFormed()) throw invalidToken('claims')
  if (id.length > MAX_USER_ID_CHARACTERS) throw invalidToken('claims')
  const endsAt = Math.min(exp * 1000, Date.now() + settings.tokenCacheMs)
  const user = { id, folder: folderName(id), endsAt }
  cached.set(authorization, user)
  return user
}

function invalidToken(reason) {
  return new Problem(401, 'invalid_token', 'The bearer token is invalid.', {
    headers: { 'WWW-Authenticate': `${challenge}, error="invalid_token"` },
    reason,
  })
}
