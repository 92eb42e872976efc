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
import { FRESH_MS, REFETCH_MS } from '../../../../src/gateway/auth/issuer-keys.ts'
import { fewFlights, oneFlight } from '../../../../src/gateway/runtimes/shared/single-flight.ts'
import { type IssuerBench, startIssuerBench } from '../../../support/issuer.ts'

const ann = { sub: 'ann' }

const missingToken = expect.objectContaining({
  code: 'missing_token',
  status: 401,
  message: 'A bearer token is needed.',
  facts: { headers: { 'WWW-Authenticate': 'Bearer realm="uploads"' } },
})

/** The one answer to every bad token. Only the reason, which is for the log, tells them apart. */
const invalidToken = (reason: string) =>
  expect.objectContaining({
    code: 'invalid_token',
    status: 401,
    message: 'The bearer token is not valid.',
    facts: {
      headers: { 'WWW-Authenticate': 'Bearer realm="uploads", error="invalid_token"' },
      reason,
    },
  })

const insufficientScope = expect.objectContaining({
  code: 'insufficient_scope',
  status: 403,
  message: 'Your token lacks the scope for uploads.',
  facts: {
    headers: { 'WWW-Authenticate': 'Bearer realm="uploads", error="insufficient_scope"' },
  },
})

const encode = (value: unknown) => base64url.encode(JSON.stringify(value))

function usualClaims(bench: IssuerBench) {
  const iat = Math.floor(bench.clock() / 1000)
  return { iss: bench.issuer.issuer, aud: bench.issuer.audience, iat, exp: iat + 60, ...ann }
}

/** A key pair whose public half the issuer publishes from now on, with others that are given. */
async function publish(bench: IssuerBench, alg: string, members: JWK | object, others: JWK[] = []) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const published: JWK = { ...(await exportJWK(publicKey)), ...members }
  bench.issuer.rehearse((document, usual) => ({
    body: document === 'keys' ? { keys: [...others, published] } : usual,
  }))
  const sign = (header: object = {}, key: CryptoKey | Uint8Array = privateKey) =>
    new SignJWT(usualClaims(bench)).setProtectedHeader({ alg, ...header }).sign(key)
  return { published, sign }
}

describe('a good token', () => {
  test('makes a user with its claims', async () => {
    const bench = await startIssuerBench()
    const user = await bench.user(await bench.issuer.token({ sub: 'ann', claims: { org: 7 } }))
    expect(user.id).toBe('ann')
    expect(user.claims).toMatchObject({ sub: 'ann', org: 7, iss: bench.issuer.issuer })
  })

  test.each(['Bearer', 'bearer', 'BEARER', 'BeArEr '])('after the scheme %j', async (scheme) => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    expect((await bench.authenticate(`${scheme} ${token}`)).id).toBe('ann')
  })

  test.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('may be signed with %s', async (alg) => {
    const bench = await startIssuerBench()
    const { sign } = await publish(bench, alg, { kid: 'a' })
    expect((await bench.user(await sign({ kid: 'a' }))).id).toBe('ann')
  })

  test.each([undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt'])(
    'may be of type %s',
    async (typ) => {
      const bench = await startIssuerBench()
      const { sign } = await publish(bench, 'ES256', { kid: 'k' })
      expect((await bench.user(await sign({ kid: 'k', typ }))).id).toBe('ann')
    },
  )

  test('may end with the year 9999', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token({ ...ann, claims: { exp: 253_402_300_799 } })
    expect((await bench.user(token)).id).toBe('ann')
  })

  test('may have been signed by any of several keys without an id', async () => {
    const bench = await startIssuerBench()
    const other = await exportJWK((await generateKeyPair('ES256')).publicKey)
    const { sign } = await publish(bench, 'ES256', {}, [other])
    expect((await bench.user(await sign())).id).toBe('ann')
    const stranger = (await generateKeyPair('ES256')).privateKey
    await expect(bench.user(await sign({}, stranger))).rejects.toEqual(invalidToken('signature'))
  })

  test('is checked in full when several keys fit', async () => {
    const bench = await startIssuerBench()
    const other = await exportJWK((await generateKeyPair('ES256')).publicKey)
    const { sign } = await publish(bench, 'ES256', {}, [other])
    const token = await sign()
    bench.advance(66_000)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('expired'))
  })

  test.each([['uploads'], [['x', 'uploads']]])('is for one of our audiences: %j', async (aud) => {
    const bench = await startIssuerBench({ jwt: { audiences: ['other', 'uploads'] } })
    const token = await bench.issuer.token({ ...ann, claims: { aud } })
    expect((await bench.user(token)).id).toBe('ann')
  })

  test('lets its keys be renewed in the background', async () => {
    const bench = await startIssuerBench()
    await bench.user(await bench.issuer.token(ann))
    bench.advance(FRESH_MS)
    await bench.user(await bench.issuer.token(ann))
    expect([await bench.settle(), bench.issuer.hits().keys]).toEqual([1, 2])
  })
})

describe('a key that was replaced', () => {
  const replacements = [
    ['under the same id', { kid: 'k' }, oneFlight()],
    ['without an id', {}, oneFlight()],
    ['under the same id, where flights cannot be shared,', { kid: 'k' }, fewFlights(5_000)],
  ] as const

  test.each(replacements)('%s verifies at once', async (_case, header, share) => {
    const bench = await startIssuerBench({ share })
    const before = await publish(bench, 'ES256', header)
    const old = await before.sign(header)
    await bench.user(old)
    const after = await publish(bench, 'ES256', header)
    const tokens = await Promise.all(Array.from({ length: 10 }, () => after.sign(header)))
    for (const user of await Promise.all(tokens.map(bench.user))) expect(user.id).toBe('ann')
    expect(bench.issuer.hits().keys).toBe(2)
    await expect(bench.user(old)).rejects.toEqual(invalidToken('signature'))
  })

  test('many bad signatures cause one fetch in 30 seconds', async () => {
    const bench = await startIssuerBench()
    const { sign } = await publish(bench, 'ES256', { kid: 'k' })
    const stranger = (await generateKeyPair('ES256')).privateKey
    await bench.user(await sign({ kid: 'k' }))
    const bad = await sign({ kid: 'k' }, stranger)
    const hits = async () => {
      for (const { status } of await Promise.allSettled(Array(20).fill(bad).map(bench.user))) {
        expect(status).toBe('rejected')
      }
      return bench.issuer.hits().keys
    }
    expect(await hits()).toBe(2)
    bench.advance(REFETCH_MS - 1)
    expect(await hits()).toBe(2)
    bench.advance(1)
    expect(await hits()).toBe(3)
  })

  test('while that fetch hangs, good tokens do not wait and few bad ones do', async () => {
    const bench = await startIssuerBench({ maxInFlight: 8 })
    const good = await bench.issuer.token(ann)
    await bench.user(good)
    const answer = Promise.withResolvers<void>()
    bench.issuer.rehearse(async (_document, usual) => {
      await answer.promise
      return { body: usual }
    })
    const [head, , signature] = good.split('.')
    const bad = `${head}.${encode(usualClaims(bench))}.${signature}`
    const refused = [1, 2, 3].map(() => bench.user(bad).catch(({ facts }) => facts.reason))
    expect(await Promise.race(refused)).toBe('issuer_keys_busy')
    expect((await bench.user(good)).id).toBe('ann')
    answer.resolve()
    expect((await Promise.all(refused)).sort()).toEqual([
      'issuer_keys_busy',
      'signature',
      'signature',
    ])
  })
})

describe('no token', () => {
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
    const bench = await startIssuerBench()
    await expect(bench.authenticate(authorization)).rejects.toEqual(missingToken)
  })
})

describe('a malformed token', () => {
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
    const bench = await startIssuerBench()
    await expect(bench.authenticate(authorization)).rejects.toEqual(invalidToken('malformed'))
    expect(bench.calls).toEqual([])
  })

  test('a good one with anything around it', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    for (const rest of [`${token} x`, `${token},`, `${token}, Bearer x`, `x Bearer ${token}`]) {
      const answer = bench.authenticate(`Bearer ${rest}`)
      await expect(answer).rejects.toEqual(invalidToken('malformed'))
    }
  })

  test('claims that are no object', async () => {
    const bench = await startIssuerBench()
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const key = { ...(await exportJWK(publicKey)), kid: 'k' }
    bench.issuer.rehearse((document, usual) => ({
      body: document === 'keys' ? { keys: [key] } : usual,
    }))
    const input = `${encode({ alg: 'ES256', kid: 'k' })}.${encode('ann')}`
    const signature = await crypto.subtle.sign(
      { name: 'ECDSA', hash: 'SHA-256' },
      privateKey,
      new TextEncoder().encode(input),
    )
    const token = `${input}.${base64url.encode(new Uint8Array(signature))}`
    await expect(bench.user(token)).rejects.toEqual(invalidToken('malformed'))
  })
})

describe('a token that must not be believed', () => {
  test('signed by somebody else under the published id', async () => {
    const bench = await startIssuerBench()
    const { sign } = await publish(bench, 'ES256', { kid: 'k' })
    const stranger = (await generateKeyPair('ES256')).privateKey
    const token = await sign({ kid: 'k' }, stranger)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('signature'))
  })

  test('changed after it was signed', async () => {
    const bench = await startIssuerBench()
    const [head, , signature] = (await bench.issuer.token(ann)).split('.')
    const body = encode({ ...usualClaims(bench), sub: 'bob' })
    const token = `${head}.${body}.${signature}`
    await expect(bench.user(token)).rejects.toEqual(invalidToken('signature'))
  })

  test('signed with a key that the issuer does not publish', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.forgedToken(ann)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('unknown_key'))
  })

  test('not signed', async () => {
    const bench = await startIssuerBench()
    const token = new UnsecuredJWT(usualClaims(bench)).encode()
    await expect(bench.user(token)).rejects.toEqual(invalidToken('algorithm'))
    for (const alg of ['none', 'None']) {
      const unsigned = `${encode({ alg })}.${encode(usualClaims(bench))}.AA`
      await expect(bench.user(unsigned)).rejects.toEqual(invalidToken('algorithm'))
    }
    expect(bench.calls).toEqual([])
  })

  test('signed with the public key as a shared secret', async () => {
    const bench = await startIssuerBench()
    const { published } = await publish(bench, 'RS256', { kid: 'k' })
    const secret = new TextEncoder().encode(JSON.stringify(published))
    const token = await new SignJWT(usualClaims(bench))
      .setProtectedHeader({ alg: 'HS256', kid: 'k' })
      .sign(secret)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('algorithm'))
  })

  test('signed with an algorithm that is not asked for', async () => {
    const bench = await startIssuerBench({ jwt: { algorithms: ['RS256'] } })
    const token = await bench.issuer.token(ann)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('algorithm'))
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
    const bench = await startIssuerBench()
    const { sign } = await publish(bench, 'ES256', { kid: 'k' })
    const token = await sign({ kid: 'k', typ })
    await expect(bench.user(token)).rejects.toEqual(invalidToken('type'))
    expect(bench.calls).toEqual([])
  })

  test('bringing its own key, or an address to fetch one from', async () => {
    const bench = await startIssuerBench()
    const thief = await startIssuerBench()
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(publicKey)
    const url = `${thief.issuer.issuer}/keys`
    for (const header of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['AAAA'] }]) {
      for (const kid of [undefined, 'mine', url]) {
        const token = await new SignJWT(usualClaims(bench))
          .setProtectedHeader({ alg: 'ES256', ...header, ...(kid && { kid }) })
          .sign(privateKey)
        const reason = kid ? 'unknown_key' : 'signature'
        await expect(bench.user(token)).rejects.toEqual(invalidToken(reason))
      }
    }
    expect(thief.issuer.hits()).toEqual({ discovery: 0, keys: 0 })
    expect(new Set(bench.calls.map((call) => new URL(call.url).origin))).toEqual(
      new Set([bench.issuer.issuer]),
    )
  })

  test.each([
    ['another issuer', { iss: 'https://login.example.com' }, 'issuer'],
    ['several issuers', { iss: ['a', 'b'] }, 'issuer'],
    ['no issuer', { iss: undefined }, 'claims'],
    ['another audience', { aud: 'somebody' }, 'audience'],
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
    const bench = await startIssuerBench()
    const token = await bench.issuer.token({ ...ann, claims })
    await expect(bench.user(token)).rejects.toEqual(invalidToken(reason))
  })
})

describe('time', () => {
  test('a token works until its end and 5 seconds more', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token({ ...ann, expiresInSeconds: 60 })
    bench.advance(64_000)
    expect((await bench.user(token)).id).toBe('ann')
    bench.advance(1_000)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('expired'))
  })

  test('a token works from 5 seconds before its start', async () => {
    const bench = await startIssuerBench()
    const nbf = usualClaims(bench).iat + 10
    const token = await bench.issuer.token({ ...ann, claims: { nbf } })
    bench.advance(4_000)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('not_yet_valid'))
    bench.advance(1_000)
    expect((await bench.user(token)).id).toBe('ann')
  })

  test('the tolerance is the configured one', async () => {
    const bench = await startIssuerBench({ jwt: { clockToleranceSeconds: 0 } })
    const token = await bench.issuer.token({ ...ann, expiresInSeconds: 60 })
    bench.advance(60_000)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('expired'))
  })
})

describe('the user claim', () => {
  test.each([
    ['256 characters', 'a'.repeat(256)],
    ['256 characters outside the basic plane', '\u{1f600}'.repeat(256)],
    ['an odd one', '../ä\u0000 b'],
  ])('may hold %s', async (_case, sub) => {
    const bench = await startIssuerBench()
    expect((await bench.user(await bench.issuer.token({ sub }))).id).toBe(sub)
  })

  test('is the configured one', async () => {
    const bench = await startIssuerBench({ jwt: { userClaim: 'https://example.com/uid' } })
    const claims = { 'https://example.com/uid': 'u-1' }
    expect((await bench.user(await bench.issuer.token({ ...ann, claims }))).id).toBe('u-1')
    const without = await bench.issuer.token(ann)
    await expect(bench.user(without)).rejects.toEqual(invalidToken('claims'))
  })

  test('is one of the token itself', async () => {
    const bench = await startIssuerBench({ jwt: { userClaim: 'constructor' } })
    const token = await bench.issuer.token(ann)
    await expect(bench.user(token)).rejects.toEqual(invalidToken('claims'))
  })
})

describe('a required scope', () => {
  const jwt = { requiredScope: 'files:write' }

  test.each([
    { scope: 'files:write' },
    { scope: 'openid files:write' },
    { scp: 'openid files:write' },
    { scp: ['openid', 'files:write'] },
    { scope: 'openid', scp: ['files:write'] },
    { scope: 'files:write', scp: ['openid'] },
  ])('is in %j', async (claims) => {
    const bench = await startIssuerBench({ jwt })
    expect((await bench.user(await bench.issuer.token({ ...ann, claims }))).id).toBe('ann')
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
    const bench = await startIssuerBench({ jwt })
    const token = await bench.issuer.token({ ...ann, claims })
    await expect(bench.user(token)).rejects.toEqual(insufficientScope)
  })

  test('does not matter for a token that is bad', async () => {
    const bench = await startIssuerBench({ jwt })
    const token = await bench.issuer.token({ sub: '' })
    await expect(bench.user(token)).rejects.toEqual(invalidToken('claims'))
  })
})

describe('when no key can be had', () => {
  test('the answer is 503, not 401', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    bench.issuer.down(true)
    await expect(bench.user(token)).rejects.toMatchObject({
      code: 'upstream_unavailable',
      status: 503,
      facts: { headers: { 'Retry-After': '5' } },
    })
  })

  test('a fault of our own is no fault of the token', async () => {
    const bench = await startIssuerBench()
    const broken = new TypeError('broken')
    const authenticate = createAuthenticate({
      jwt: bench.config,
      keys: { ...bench.keys, key: () => Promise.reject(broken) },
      clock: bench.clock,
    })
    const token = await bench.issuer.token(ann)
    await expect(authenticate(`Bearer ${token}`, () => {})).rejects.toBe(broken)
  })
})
