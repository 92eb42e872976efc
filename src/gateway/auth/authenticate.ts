import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { JwtConfig } from '../config/parse.ts'
import { GatewayError } from '../errors.ts'
import type { Background, Clock, InvalidTokenReason } from '../ports.ts'
import type { JwksCache } from './jwks-cache.ts'
import { isStrictCompactJws } from './strict-jws.ts'

/** Verifies an `Authorization` header and resolves to its user. */
export type VerifyUser = (
  authorization: string | undefined,
  background: Background,
) => Promise<User>

/** Returns the user of an `Authorization` header: without a promise when the token is cached. */
export type Authenticate = (
  authorization: string | undefined,
  background: Background,
) => User | Promise<User>

declare const verified: unique symbol

/** The user of a verified token. Only {@link createAuthenticate} creates one. */
export interface User {
  readonly [verified]: true
  /** The value of `JWT_USER_CLAIM`: 1 to 256 characters of well-formed Unicode. */
  readonly id: string
  readonly claims: Readonly<Record<string, unknown>>
}

/** Maximum length of an id that SMH receives. SMH publishes no limit (docs/smh-protocol.md#16.3). */
const MAX_USER_ID_CHARACTERS = 256

/** The end of the year 9999. A later `exp` is most likely in milliseconds. */
const LAST_DATE_SECONDS = 253_402_300_799

const challenge = 'Bearer realm="uploads"'

/**
 * Creates the function that verifies an `Authorization` header. It resolves to the user, or rejects with a
 * GatewayError:
 * - `missing_token`: no credentials, or credentials of another scheme (RFC 6750 §3: without an error code)
 * - `invalid_token`: the response is the same for every reason. `details.reason` names the reason for the
 *   log
 * - `insufficient_scope`: the token is valid but lacks `JWT_REQUIRED_SCOPE` (RFC 6750 §3.1)
 * - `upstream_unavailable`: from `keys`, when no signing key is available
 *
 * Of a token's header only `kid` and an `alg` in `JWT_ALGORITHMS` are used. `jwk`, `jku`, `x5c` and `x5u`
 * are never read (RFC 8725 §3.10). A token with a type must be an access token or a plain JWT, because the
 * same keys also sign other tokens, such as logout tokens (RFC 8725 §3.11).
 */
export function createAuthenticate({
  jwt,
  keys,
  clock,
}: {
  jwt: JwtConfig
  keys: Pick<JwksCache, 'key' | 'version' | 'changedSince'>
  clock: Clock
}): VerifyUser {
  /** Verifies again when the signature fits none of the keys and the issuer's keys have changed. */
  async function verifiedClaims(token: string, background: Background): Promise<JWTPayload> {
    const version = keys.version()
    try {
      return await verify(token, background)
    } catch (error) {
      const isUnknown = error instanceof errors.JWSSignatureVerificationFailed
      if (!isUnknown || !(await keys.changedSince(version))) throw error
      return verify(token, background)
    }
  }

  async function verify(token: string, background: Background): Promise<JWTPayload> {
    const options = {
      issuer: jwt.issuer,
      audience: [...jwt.audiences],
      algorithms: [...jwt.algorithms],
      clockTolerance: jwt.clockToleranceSeconds,
      currentDate: new Date(clock()),
      requiredClaims: ['exp'],
    }
    const findKey: JWTVerifyGetKey = (header, jws) => {
      if (!isTypeOfAccess(header.typ)) throw invalidToken('type')
      return keys.key(header, jws, background)
    }
    try {
      return (await jwtVerify(token, findKey, options)).payload
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      // Several keys fit, for example keys without ids. Any of them may have signed.
      for await (const key of error) {
        const result = await jwtVerify(token, key, options).catch(unlessSignature)
        if (result) return result.payload
      }
      throw new errors.JWSSignatureVerificationFailed()
    }
  }

  return async function authenticate(authorization, background) {
    const token = bearerToken(authorization)
    const claims = await verifiedClaims(token, background).catch((error: unknown) => {
      throw error instanceof errors.JOSEError ? invalidToken(reasonOf(error)) : error
    })
    if ((claims.exp as number) > LAST_DATE_SECONDS) throw invalidToken('claims')
    const id = claims[jwt.userClaim]
    if (!isUserId(id)) throw invalidToken('claims')
    if (jwt.requiredScope !== undefined && !scopesOf(claims).includes(jwt.requiredScope)) {
      throw new GatewayError('insufficient_scope', 'The token lacks the scope for uploads.', {
        headers: { 'WWW-Authenticate': `${challenge}, error="insufficient_scope"` },
      })
    }
    return { id, claims } as unknown as User
  }
}

/** The token in `authorization` (RFC 6750 §2.1; RFC 9110 §11.1: schemes ignore case). */
function bearerToken(authorization = ''): string {
  if (!/^bearer(?:\s|$)/i.test(authorization)) {
    throw new GatewayError('missing_token', 'A bearer token is required.', {
      headers: { 'WWW-Authenticate': challenge },
    })
  }
  const token = /^bearer +([\w.-]+)$/i.exec(authorization)?.[1]
  if (token === undefined || !isStrictCompactJws(token)) throw invalidToken('malformed')
  return token
}

function invalidToken(reason: InvalidTokenReason): GatewayError {
  return new GatewayError('invalid_token', 'The bearer token is invalid.', {
    headers: { 'WWW-Authenticate': `${challenge}, error="invalid_token"` },
    reason,
  })
}

/** Why a token is invalid, as a fixed word for the log. */
function reasonOf(error: errors.JOSEError): InvalidTokenReason {
  if (error instanceof errors.JWTExpired) return 'expired'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature'
  if (error instanceof errors.JWKSNoMatchingKey) return 'unknown_key'
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm'
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason !== 'check_failed') return 'claims'
    return reasonsByClaim[error.claim] ?? 'claims'
  }
  return 'malformed'
}

const reasonsByClaim: Readonly<Record<string, InvalidTokenReason>> = {
  iss: 'issuer',
  aud: 'audience',
  nbf: 'not_yet_valid',
}

/** `JWT` (RFC 7519 §5.1), `at+jwt` (RFC 9068 §2.1), or none: most issuers state no type. */
function isTypeOfAccess(typ: unknown): boolean {
  return typ === undefined || (typeof typ === 'string' && /^(application\/)?(at\+)?jwt$/i.test(typ))
}

function unlessSignature(error: unknown): undefined {
  if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
}

function isUserId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.isWellFormed() &&
    [...value].length <= MAX_USER_ID_CHARACTERS
  )
}

/** RFC 8693 §4.2 has `scope` as one string; several issuers write `scp`, as a string or an array. */
function scopesOf({ scope, scp }: JWTPayload): unknown[] {
  const ofScope = typeof scope === 'string' ? scope.split(' ') : []
  const ofScp = typeof scp === 'string' ? scp.split(' ') : scp
  return Array.isArray(ofScp) ? [...ofScope, ...ofScp] : ofScope
}
