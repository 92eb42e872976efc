import {
  base64url,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { describe, expect, test } from 'vitest'
import { createAuthenticate } from '../../../../src/gateway/auth/authenticate.ts'
import { FRESH_MS, REFETCH_MS } from '../../../../src/gateway/auth/jwks-decision.ts'
import {
  createBoundedFlights,
  createSingleFlight,
} from '../../../../src/gateway/runtimes/shared/single-flight.ts'
import { type IssuerHarness, startIssuerHarness } from '../../../support/issuer.ts'

const ann = { sub: 'ann' }

const missingToken = expect.objectContaining({
  code: 'missing_token',
  status: 401,
  message: 'A bearer token is required.',
  details: { headers: { 'WWW-Authenticate': 'Bearer realm="uploads"' } },
})

/** The one answer to every bad token. Only the reason, which is for the log, tells them apart. */
const invalidToken = (reason: string) =>
  expect.objectContaining({
    code: 'invalid_token',
    status: 401,
    message: 'The bearer token is invalid.',
    details: {
      headers: { 'WWW-Authenticate': 'Bearer realm="uploads", error="invalid_token"' },
      reason,
    },
  })

const insufficientScope = expect.objectContaining({
  code: 'insufficient_scope',
  status: 403,
  message: 'The token lacks the scope for uploads.',
  details: {
    headers: { 'WWW-Authenticate': 'Bearer realm="uploads", error="insufficient_scope"' },
  },
})

const encode = (value: unknown) => base64url.encode(JSON.stringify(value))

function usualClaims(harness: IssuerHarness) {
  const iat = Math.floor(harness.clock() / 1000)
  return { iss: harness.issuer.issuer, aud: harness.issuer.audience, iat, exp: iat + 60, ...ann }
}

/** A key pair whose public half the issuer publishes from now on, with others that are given. */
async function publish(
  harness: IssuerHarness,
  alg: string,
  members: JWK | object,
  others: JWK[] = [],
) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const published: JWK = { ...(await exportJWK(publicKey)), ...members }
  harness.issuer.rehearse((document, usual) => ({
    body: document === 'keys' ? { keys: [...others, published] } : usual,
  }))
  const sign = (header: object = {}, key: CryptoKey | Uint8Array = privateKey) =>
    new SignJWT(usualClaims(harness)).setProtectedHeader({ alg, ...header }).sign(key)
  return { published, sign }
}

describe('authenticate: a valid token', () => {
  test('gives a user with its claims', async () => {
    const harness = await startIssuerHarness()
    const user = await harness.user(await harness.issuer.token({ sub: 'ann', claims: { org: 7 } }))
    expect(user.id).toBe('ann')
    expect(user.claims).toMatchObject({ sub: 'ann', org: 7, iss: harness.issuer.issuer })
  })

  test.each(['Bearer', 'bearer', 'BEARER', 'BeArEr '])(
    'is accepted after the scheme %j',
    async (scheme) => {
      const harness = await startIssuerHarness()
      const token = await harness.issuer.token(ann)
      expect((await harness.authenticate(`${scheme} ${token}`)).id).toBe('ann')
    },
  )

  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'])(
    'is accepted with a signature by %s',
    async (alg) => {
      const harness = await startIssuerHarness()
      const { sign } = await publish(harness, alg, { kid: 'a' })
      expect((await harness.user(await sign({ kid: 'a' }))).id).toBe('ann')
    },
  )

  test.each([undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt'])(
    'is accepted with type %s',
    async (typ) => {
      const harness = await startIssuerHarness()
      const { sign } = await publish(harness, 'ES256', { kid: 'k' })
      expect((await harness.user(await sign({ kid: 'k', typ }))).id).toBe('ann')
    },
  )

  test('is accepted with an end in the year 9999', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token({ ...ann, claims: { exp: 253_402_300_799 } })
    expect((await harness.user(token)).id).toBe('ann')
  })

  test('is accepted with a signature by any of several keys without ids', async () => {
    const harness = await startIssuerHarness()
    const other = await exportJWK((await generateKeyPair('ES256')).publicKey)
    const { sign } = await publish(harness, 'ES256', {}, [other])
    expect((await harness.user(await sign())).id).toBe('ann')
    const stranger = (await generateKeyPair('ES256')).privateKey
    await expect(harness.user(await sign({}, stranger))).rejects.toEqual(invalidToken('signature'))
  })

  test('has all its claims checked when several keys fit', async () => {
    const harness = await startIssuerHarness()
    const other = await exportJWK((await generateKeyPair('ES256')).publicKey)
    const { sign } = await publish(harness, 'ES256', {}, [other])
    const token = await sign()
    harness.advance(66_000)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('expired'))
  })

  test.each([['uploads'], [['x', 'uploads']]])(
    'is accepted for a configured audience: %j',
    async (aud) => {
      const harness = await startIssuerHarness({ jwt: { audiences: ['other', 'uploads'] } })
      const token = await harness.issuer.token({ ...ann, claims: { aud } })
      expect((await harness.user(token)).id).toBe('ann')
    },
  )

  test('does not wait for the renewal of keys', async () => {
    const harness = await startIssuerHarness()
    await harness.user(await harness.issuer.token(ann))
    harness.advance(FRESH_MS)
    await harness.user(await harness.issuer.token(ann))
    expect([await harness.settle(), harness.issuer.hits().keys]).toEqual([1, 2])
  })
})

describe('authenticate: a replaced key', () => {
  const replacements = [
    ['under the same id', { kid: 'k' }, createSingleFlight()],
    ['without an id', {}, createSingleFlight()],
    [
      'under the same id, where flights cannot be shared,',
      { kid: 'k' },
      createBoundedFlights(5_000),
    ],
  ] as const

  test.each(replacements)('verifies tokens at once: %s', async (_case, header, singleFlight) => {
    const harness = await startIssuerHarness({ singleFlight })
    const before = await publish(harness, 'ES256', header)
    const old = await before.sign(header)
    await harness.user(old)
    const after = await publish(harness, 'ES256', header)
    const tokens = await Promise.all(Array.from({ length: 10 }, () => after.sign(header)))
    for (const user of await Promise.all(tokens.map(harness.user))) expect(user.id).toBe('ann')
    expect(harness.issuer.hits().keys).toBe(2)
    await expect(harness.user(old)).rejects.toEqual(invalidToken('signature'))
  })

  test('many invalid signatures cause one fetch in 30 seconds', async () => {
    const harness = await startIssuerHarness()
    const { sign } = await publish(harness, 'ES256', { kid: 'k' })
    const stranger = (await generateKeyPair('ES256')).privateKey
    await harness.user(await sign({ kid: 'k' }))
    const bad = await sign({ kid: 'k' }, stranger)
    const hits = async () => {
      for (const { status } of await Promise.allSettled(Array(20).fill(bad).map(harness.user))) {
        expect(status).toBe('rejected')
      }
      return harness.issuer.hits().keys
    }
    expect(await hits()).toBe(2)
    harness.advance(REFETCH_MS - 1)
    expect(await hits()).toBe(2)
    harness.advance(1)
    expect(await hits()).toBe(3)
  })

  test('during that fetch valid tokens do not wait, and only a few invalid tokens do', async () => {
    const harness = await startIssuerHarness({ maxInFlight: 8 })
    const good = await harness.issuer.token(ann)
    await harness.user(good)
    const answer = Promise.withResolvers<void>()
    harness.issuer.rehearse(async (_document, usual) => {
      await answer.promise
      return { body: usual }
    })
    const [head, , signature] = good.split('.')
    const bad = `${head}.${encode(usualClaims(harness))}.${signature}`
    const refused = [1, 2, 3].map(() => harness.user(bad).catch(({ details }) => details.reason))
    expect(await Promise.race(refused)).toBe('issuer_keys_busy')
    expect((await harness.user(good)).id).toBe('ann')
    answer.resolve()
    expect((await Promise.all(refused)).sort()).toEqual([
      'issuer_keys_busy',
      'signature',
      'signature',
    ])
  })
})

describe('authenticate: no token', () => {
  test.each([
    [undefined],
    [''],
    ['Basic YTpi'],
    ['Bearerx abc'],
    ['Bearer-abc'],
    ['xBearer abc'],
    ['Basic a, Bearer b'],
    ['Digest Bearer abc'],
  ])('%j is answered without an error code', async (authorization) => {
    const harness = await startIssuerHarness()
    await expect(harness.authenticate(authorization)).rejects.toEqual(missingToken)
  })
})

describe('authenticate: a malformed token', () => {
  test.each([
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer a, Bearer b',
    'Bearer =a',
    'Bearer a=b',
    'Bearer a"b',
    'Bearer ä',
    'Bearer\ta.b.c',
    'Bearer a.b.c\n',
    'Bearer abc',
    'Bearer a.b.c.d',
    'Bearer a.b.c.d.e',
    'Bearer ..',
    'Bearer e30.e30.',
    `Bearer ${encode(null)}.e30.AA`,
    `Bearer ${encode([])}.e30.AA`,
    `Bearer ${encode({ alg: 7 })}.e30.AA`,
    `Bearer ${encode({ alg: 'ES256', crit: ['x'], x: 1 })}.e30.AA`,
  ])('%j', async (authorization) => {
    const harness = await startIssuerHarness()
    await expect(harness.authenticate(authorization)).rejects.toEqual(invalidToken('malformed'))
    expect(harness.calls).toEqual([])
  })

  test('is refused: a valid one with extra characters', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    for (const rest of [`${token} x`, `${token},`, `${token}, Bearer x`, `x Bearer ${token}`]) {
      const answer = harness.authenticate(`Bearer ${rest}`)
      await expect(answer).rejects.toEqual(invalidToken('malformed'))
    }
  })

  test('is refused: claims that are not an object', async () => {
    const harness = await startIssuerHarness()
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const key = { ...(await exportJWK(publicKey)), kid: 'k' }
    harness.issuer.rehearse((document, usual) => ({
      body: document === 'keys' ? { keys: [key] } : usual,
    }))
    const input = `${encode({ alg: 'ES256', kid: 'k' })}.${encode('ann')}`
    const signature = await crypto.subtle.sign(
      { name: 'ECDSA', hash: 'SHA-256' },
      privateKey,
      new TextEncoder().encode(input),
    )
    const token = `${input}.${base64url.encode(new Uint8Array(signature))}`
    await expect(harness.user(token)).rejects.toEqual(invalidToken('malformed'))
  })
})

describe('authenticate: a forged token is refused', () => {
  test('signed by another key under the published id', async () => {
    const harness = await startIssuerHarness()
    const { sign } = await publish(harness, 'ES256', { kid: 'k' })
    const stranger = (await generateKeyPair('ES256')).privateKey
    const token = await sign({ kid: 'k' }, stranger)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('signature'))
  })

  test('changed after it was signed', async () => {
    const harness = await startIssuerHarness()
    const [head, , signature] = (await harness.issuer.token(ann)).split('.')
    const body = encode({ ...usualClaims(harness), sub: 'bob' })
    const token = `${head}.${body}.${signature}`
    await expect(harness.user(token)).rejects.toEqual(invalidToken('signature'))
  })

  test('signed with a key that the issuer does not publish', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.forgedToken(ann)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('unknown_key'))
  })

  test('without a signature', async () => {
    const harness = await startIssuerHarness()
    const token = new UnsecuredJWT(usualClaims(harness)).encode()
    await expect(harness.user(token)).rejects.toEqual(invalidToken('algorithm'))
    for (const alg of ['none', 'None']) {
      const unsigned = `${encode({ alg })}.${encode(usualClaims(harness))}.AA`
      await expect(harness.user(unsigned)).rejects.toEqual(invalidToken('algorithm'))
    }
    expect(harness.calls).toEqual([])
  })

  test('signed with the public key as a shared secret', async () => {
    const harness = await startIssuerHarness()
    const { published } = await publish(harness, 'RS256', { kid: 'k' })
    const secret = new TextEncoder().encode(JSON.stringify(published))
    const token = await new SignJWT(usualClaims(harness))
      .setProtectedHeader({ alg: 'HS256', kid: 'k' })
      .sign(secret)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('algorithm'))
  })

  test('signed with an algorithm that is not allowed', async () => {
    const harness = await startIssuerHarness({ jwt: { algorithms: ['RS256'] } })
    const token = await harness.issuer.token(ann)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('algorithm'))
  })

  test.each([
    'logout+jwt',
    'dpop+jwt',
    'JWS',
    'jwt ',
    'xjwt',
    'application/jose',
    'text/jwt',
    '',
    7,
    null,
    ['JWT'],
  ])('that is of type %j', async (typ) => {
    const harness = await startIssuerHarness()
    const { sign } = await publish(harness, 'ES256', { kid: 'k' })
    const token = await sign({ kid: 'k', typ })
    await expect(harness.user(token)).rejects.toEqual(invalidToken('type'))
    expect(harness.calls).toEqual([])
  })

  test('with its own key, or a URL of a key', async () => {
    const harness = await startIssuerHarness()
    const thief = await startIssuerHarness()
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(publicKey)
    const url = `${thief.issuer.issuer}/keys`
    for (const header of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['AAAA'] }]) {
      for (const kid of [undefined, 'mine', url]) {
        const token = await new SignJWT(usualClaims(harness))
          .setProtectedHeader({ alg: 'ES256', ...header, ...(kid && { kid }) })
          .sign(privateKey)
        const reason = kid ? 'unknown_key' : 'signature'
        await expect(harness.user(token)).rejects.toEqual(invalidToken(reason))
      }
    }
    expect(thief.issuer.hits()).toEqual({ discovery: 0, keys: 0 })
    expect(new Set(harness.calls.map((call) => new URL(call.url).origin))).toEqual(
      new Set([harness.issuer.issuer]),
    )
  })

  test.each([
    ['another issuer', { iss: 'https://login.example.com' }, 'issuer'],
    ['several issuers', { iss: ['a', 'b'] }, 'issuer'],
    ['no issuer', { iss: undefined }, 'claims'],
    ['another audience', { aud: 'another-service' }, 'audience'],
    ['no audience', { aud: undefined }, 'claims'],
    ['no end', { exp: undefined }, 'claims'],
    ['an end that is no number', { exp: '9999999999' }, 'claims'],
    ['an end in milliseconds', { exp: 1_800_000_000_000 }, 'claims'],
    ['an end after the year 9999', { exp: 253_402_300_800 }, 'claims'],
    ['a start that is no number', { nbf: 'now' }, 'claims'],
    ['no user', { sub: undefined }, 'claims'],
    ['a user that is a number', { sub: 7 }, 'claims'],
    ['a user that is a list', { sub: ['ann'] }, 'claims'],
    ['an empty user', { sub: '' }, 'claims'],
    ['a user of 257 characters', { sub: 'a'.repeat(257) }, 'claims'],
    ['a user that is half a character', { sub: 'a\ud800' }, 'claims'],
  ])('with %s', async (_case, claims, reason) => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token({ ...ann, claims })
    await expect(harness.user(token)).rejects.toEqual(invalidToken(reason))
  })
})

describe('authenticate: time', () => {
  test('a token is valid until 5 seconds after its end', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token({ ...ann, expiresInSeconds: 60 })
    harness.advance(64_000)
    expect((await harness.user(token)).id).toBe('ann')
    harness.advance(1_000)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('expired'))
  })

  test('a token is valid from 5 seconds before its start', async () => {
    const harness = await startIssuerHarness()
    const nbf = usualClaims(harness).iat + 10
    const token = await harness.issuer.token({ ...ann, claims: { nbf } })
    harness.advance(4_000)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('not_yet_valid'))
    harness.advance(1_000)
    expect((await harness.user(token)).id).toBe('ann')
  })

  test('the tolerance is configurable', async () => {
    const harness = await startIssuerHarness({ jwt: { clockToleranceSeconds: 0 } })
    const token = await harness.issuer.token({ ...ann, expiresInSeconds: 60 })
    harness.advance(60_000)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('expired'))
  })
})

describe('authenticate: the user claim', () => {
  test.each([
    ['256 characters', 'a'.repeat(256)],
    ['256 characters outside the basic plane', '\u{1f600}'.repeat(256)],
    ['an odd one', '../ä\u0000 b'],
  ])('may hold %s', async (_case, sub) => {
    const harness = await startIssuerHarness()
    expect((await harness.user(await harness.issuer.token({ sub }))).id).toBe(sub)
  })

  test('is configurable', async () => {
    const harness = await startIssuerHarness({ jwt: { userClaim: 'https://example.com/uid' } })
    const claims = { 'https://example.com/uid': 'u-1' }
    expect((await harness.user(await harness.issuer.token({ ...ann, claims }))).id).toBe('u-1')
    const without = await harness.issuer.token(ann)
    await expect(harness.user(without)).rejects.toEqual(invalidToken('claims'))
  })

  test('is an own property of the claims', async () => {
    const harness = await startIssuerHarness({ jwt: { userClaim: 'constructor' } })
    const token = await harness.issuer.token(ann)
    await expect(harness.user(token)).rejects.toEqual(invalidToken('claims'))
  })
})

describe('authenticate: a required scope', () => {
  const jwt = { requiredScope: 'files:write' }

  test.each([
    { scope: 'files:write' },
    { scope: 'openid files:write' },
    { scp: 'openid files:write' },
    { scp: ['openid', 'files:write'] },
    { scope: 'openid', scp: ['files:write'] },
    { scope: 'files:write', scp: ['openid'] },
  ])('is in %j', async (claims) => {
    const harness = await startIssuerHarness({ jwt })
    expect((await harness.user(await harness.issuer.token({ ...ann, claims }))).id).toBe('ann')
  })

  test.each([
    {},
    { scope: '' },
    { scope: 'files:writer' },
    { scope: 'files:read' },
    { scope: 'files: write' },
    { scope: ['files:write'] },
    { scope: { 'files:write': true } },
    { scp: ['openid files:write'] },
    { scp: { includes: 'files:write' } },
    { scp: 'xfiles:write' },
  ])('is not in %j', async (claims) => {
    const harness = await startIssuerHarness({ jwt })
    const token = await harness.issuer.token({ ...ann, claims })
    await expect(harness.user(token)).rejects.toEqual(insufficientScope)
  })

  test('is not checked in an invalid token', async () => {
    const harness = await startIssuerHarness({ jwt })
    const token = await harness.issuer.token({ sub: '' })
    await expect(harness.user(token)).rejects.toEqual(invalidToken('claims'))
  })
})

describe('authenticate: no signing key is available', () => {
  test('the response is 503, not 401', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    harness.issuer.down(true)
    await expect(harness.user(token)).rejects.toMatchObject({
      code: 'upstream_unavailable',
      status: 503,
      details: { headers: { 'Retry-After': '5' } },
    })
  })

  test('a defect of the gateway is not reported as an invalid token', async () => {
    const harness = await startIssuerHarness()
    const broken = new TypeError('broken')
    const authenticate = createAuthenticate({
      jwt: harness.config,
      keys: { ...harness.keys, key: () => Promise.reject(broken) },
      clock: harness.clock,
    })
    const token = await harness.issuer.token(ann)
    await expect(authenticate(`Bearer ${token}`, () => {})).rejects.toBe(broken)
  })
})
