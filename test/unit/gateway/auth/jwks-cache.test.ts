import { errors, exportJWK, generateKeyPair, generateSecret } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Rehearse } from '../../../../src/demo/demo-users.ts'
import { MAX_WAITING } from '../../../../src/gateway/auth/jwks-cache.ts'
import {
  FRESH_MS,
  LAST_GOOD_MS,
  REFETCH_MS,
  RETRY_MS,
  STALE_MS,
} from '../../../../src/gateway/auth/jwks-decision.ts'
import { createBoundedFlights } from '../../../../src/gateway/runtimes/shared/single-flight.ts'
import { type IssuerHarness, startIssuerHarness } from '../../../support/issuer.ts'

const ann = { sub: 'ann' }

/** What every refusal for want of keys looks like; `reason` is for the log. */
const unavailable = (reason: string, log?: object) =>
  expect.objectContaining({
    code: 'upstream_unavailable',
    message: 'Tokens cannot be verified at the moment.',
    details: {
      headers: { 'Retry-After': '5' },
      reason: `issuer_keys_${reason}`,
      ...(log && { log }),
    },
  })

const publicKey = expect.objectContaining({ type: 'public' })

/** Both documents as they are, but for what `change` does to one of them. */
const changed =
  (document: 'discovery' | 'keys', change: (usual: Record<string, unknown>) => unknown): Rehearse =>
  (asked, usual) => ({ body: asked === document ? change(usual) : usual })

describe('JWKS cache: fetching', () => {
  test('no document is fetched before the first request, then each document once', async () => {
    const harness = await startIssuerHarness()
    expect(harness.issuer.hits()).toEqual({ discovery: 0, keys: 0 })
    const token = await harness.issuer.token(ann)
    const tokens = Array.from({ length: 200 }, () => token)
    for (const key of await Promise.all(tokens.map(harness.keyOf))) expect(key).toEqual(publicKey)
    await harness.keyOf(token)
    expect(harness.issuer.hits()).toEqual({ discovery: 1, keys: 1 })
  })

  test('concurrent requests that cannot share a fetch all get their key', async () => {
    const harness = await startIssuerHarness({ singleFlight: createBoundedFlights(5_000) })
    const token = await harness.issuer.token(ann)
    for (const key of await Promise.all([token, token, token].map(harness.keyOf))) {
      expect(key).toEqual(publicKey)
    }
    await harness.keyOf(token)
    expect(harness.issuer.hits().keys).toBe(3)
  })

  test('a configured key set needs no discovery', async () => {
    const other = await startIssuerHarness()
    const harness = await startIssuerHarness({ jwt: { jwksUrl: `${other.issuer.issuer}/keys` } })
    expect(await harness.keyOf(await other.issuer.token(ann))).toEqual(publicKey)
    expect(other.issuer.hits()).toEqual({ discovery: 0, keys: 1 })
    expect(harness.issuer.hits()).toEqual({ discovery: 0, keys: 0 })
  })

  test.each([
    ['stands still', 0],
    ['is set forward', 3_600_000],
    ['is set back', -3_600_000],
  ])(
    'the timeout covers discovery and keys together, even when the clock %s',
    async (_, stepMs) => {
      const harness = await startIssuerHarness({ timeoutMs: 900 })
      vi.useFakeTimers({ toFake: ['performance'] })
      onTestFinished(() => void vi.useRealTimers())
      harness.issuer.rehearse((_document, usual) => {
        vi.advanceTimersByTime(300)
        harness.advance(stepMs)
        return { body: usual }
      })
      await harness.keys.ready()
      expect(harness.calls.map((call) => [call.method, call.timeoutMs])).toEqual([
        ['GET', 900],
        ['GET', 600],
      ])
      expect(harness.calls[0]?.headers).toEqual({ accept: 'application/json' })
    },
  )

  test('a fetch from a slow issuer ends after the timeout', async () => {
    const harness = await startIssuerHarness({ timeoutMs: 20 })
    const { promise, resolve } = Promise.withResolvers<{ body: unknown }>()
    harness.issuer.rehearse(() => promise)
    await expect(harness.keys.ready()).rejects.toEqual(unavailable('timeout'))
    resolve({ body: {} })
  })
})

describe('JWKS cache: discovery', () => {
  test('an issuer with a final slash has the same discovery URL, and must match exactly', async () => {
    const plain = await startIssuerHarness()
    const issuer = `${plain.issuer.issuer}/`
    const harness = await startIssuerHarness({ jwt: { issuer } })
    await expect(harness.keys.ready()).rejects.toEqual(unavailable('issuer_mismatch'))
    plain.issuer.rehearse(changed('discovery', (usual) => ({ ...usual, issuer })))
    harness.advance(RETRY_MS)
    await harness.keys.ready()
    expect(plain.issuer.hits()).toEqual({ discovery: 2, keys: 1 })
  })

  test.each([
    ['another issuer', { issuer: 'https://login.example.com' }, 'issuer_mismatch'],
    ['no issuer', { issuer: undefined }, 'malformed'],
    ['no key set', { jwks_uri: undefined }, 'malformed'],
    ['a key set in the clear', { jwks_uri: 'http://login.example.com/keys' }, 'jwks_uri'],
    ['a key set with credentials', { jwks_uri: 'https://a:b@login.example.com/' }, 'jwks_uri'],
    ['a key set that is no URL', { jwks_uri: '/keys' }, 'jwks_uri'],
  ])('is refused with %s', async (_case, change, reason) => {
    const harness = await startIssuerHarness()
    harness.issuer.rehearse(changed('discovery', (usual) => ({ ...usual, ...change })))
    await expect(harness.keys.ready()).rejects.toEqual(unavailable(reason))
    expect(harness.calls).toHaveLength(1)
  })

  test.each(['http://127.0.0.1:1/keys', 'https://localhost/keys', 'http://[::1]:1/keys'])(
    'a remote issuer cannot name a key set on this machine: %s',
    async (jwks_uri) => {
      const issuer = 'https://login.example.com'
      const called: string[] = []
      const harness = await startIssuerHarness({
        jwt: { issuer },
        request: async ({ url }) => {
          called.push(url)
          return {
            status: 200,
            header: () => undefined,
            text: JSON.stringify({ issuer, jwks_uri }),
          }
        },
      })
      await expect(harness.keys.ready()).rejects.toEqual(unavailable('jwks_uri'))
      expect(called).toEqual([`${issuer}/.well-known/openid-configuration`])
    },
  )

  test('discovery is repeated when the key set no longer exists', async () => {
    const harness = await startIssuerHarness()
    const { issuer } = harness.issuer
    const moved = changed('discovery', (usual) => ({
      ...usual,
      jwks_uri: `${issuer}/moved`,
    }))
    harness.issuer.rehearse(moved)
    await expect(harness.keys.ready()).rejects.toEqual(unavailable('status', { issuerStatus: 404 }))
    harness.issuer.rehearse(undefined)
    harness.advance(RETRY_MS)
    await harness.keys.ready()
    expect(harness.issuer.hits()).toEqual({ discovery: 2, keys: 1 })
  })

  test('discovery is not repeated while the key set exists', async () => {
    const harness = await startIssuerHarness()
    await harness.keys.ready()
    harness.advance(FRESH_MS)
    await harness.keys.ready()
    expect(harness.issuer.hits()).toEqual({ discovery: 1, keys: 2 })
  })
})

describe('JWKS cache: an unusable key set', () => {
  test.each([
    ['an error', { status: 500, body: {} }, 'status', 500],
    ['a redirect', { status: 302, body: {} }, 'status', 302],
    ['too many keys', { body: { keys: Array(1_001).fill(null) } }, 'too_many_keys'],
    ['no JSON', { body: '<html>' }, 'malformed'],
    ['no key set', { body: { keys: {} } }, 'malformed'],
    ['null', { body: null }, 'malformed'],
    ['no keys', { body: { keys: [] } }, 'no_usable_key'],
    ['a key without members', { body: { keys: [{ kty: 'EC' }, { kty: 'RSA' }] } }, 'no_usable_key'],
  ] as const)('has no keys: %s', async (_case, said, reason, issuerStatus?: number) => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    harness.issuer.rehearse((document, usual) => (document === 'keys' ? said : { body: usual }))
    const facts = issuerStatus === undefined ? {} : { issuerStatus }
    await expect(harness.keyOf(token)).rejects.toEqual(
      unavailable(reason, issuerStatus === undefined ? undefined : facts),
    )
    expect(harness.logged).toEqual([
      {
        level: 'error',
        event: 'issuer_keys_unavailable',
        reason: `issuer_keys_${reason}`,
        ...facts,
      },
    ])
  })

  test('a set without keys for the allowed algorithms is refused', async () => {
    const harness = await startIssuerHarness({ jwt: { algorithms: ['RS256'] } })
    await expect(harness.keys.ready()).rejects.toEqual(unavailable('no_usable_key'))
  })

  test('usable members of a key set are kept', async () => {
    const harness = await startIssuerHarness({ jwt: { algorithms: ['ES256', 'RS256', 'EdDSA'] } })
    const pair = async (alg: string, options = {}) => {
      const { publicKey, privateKey } = await generateKeyPair(alg, {
        extractable: true,
        ...options,
      })
      return { open: await exportJWK(publicKey), secret: await exportJWK(privateKey) }
    }
    const [ec, rsa, ed] = await Promise.all([pair('ES256'), pair('RS256'), pair('EdDSA')])
    const short = await crypto.subtle.generateKey(
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 1024,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
      true,
      ['sign', 'verify'],
    )
    const hmac = await exportJWK(await generateSecret('HS256', { extractable: true }))
    const members = [
      null,
      'key',
      { kty: 'PQ', kid: 'new' },
      { ...hmac, kid: 'hmac', alg: 'HS256' },
      { ...hmac, kid: 'hmac-anonymous' },
      { ...ec.secret, kid: 'private' },
      { ...ec.open, kid: 'encryption', use: 'enc' },
      { ...ec.open, kid: 7 },
      { ...ec.open, kid: 'bad-point', x: ec.open.y },
      { ...ec.open, kid: 'no-verify', key_ops: ['sign'] },
      { ...ec.open, kid: 'unwanted', alg: 'ES384' },
      { ...(await exportJWK(short.publicKey)), kid: 'short' },
      { ...ec.open, kid: 'ec', use: 'sig', key_ops: ['verify'], ext: 'odd', x5c: ['ignored'] },
      { ...rsa.open, kid: 'rsa' },
      { ...ed.open, kid: 'ed', alg: 'EdDSA' },
    ]
    harness.issuer.rehearse(changed('keys', () => ({ keys: members })))
    const found = (alg: string, kid: string) =>
      harness.keys.key({ alg, kid }, { payload: '', signature: '' })
    expect(await found('ES256', 'ec')).toEqual(publicKey)
    expect(await found('RS256', 'rsa')).toEqual(publicKey)
    expect(await found('EdDSA', 'ed')).toEqual(publicKey)
    for (const kid of ['private', 'encryption', 'bad-point', 'no-verify', 'unwanted', 'short']) {
      const alg = kid === 'short' ? 'RS256' : 'ES256'
      await expect(found(alg, kid)).rejects.toThrow(errors.JWKSNoMatchingKey)
    }
    await expect(found('HS256', 'hmac')).rejects.toThrow(errors.JOSENotSupported)
  })

  test('keys of larger curves are usable without "alg"', async () => {
    const harness = await startIssuerHarness({ jwt: { algorithms: ['ES384', 'ES512'] } })
    const keys = await Promise.all(
      ['ES384', 'ES512'].map(async (kid) => {
        const { publicKey } = await generateKeyPair(kid, { extractable: true })
        return { ...(await exportJWK(publicKey)), kid }
      }),
    )
    harness.issuer.rehearse(changed('keys', () => ({ keys })))
    for (const kid of ['ES384', 'ES512']) {
      const key = await harness.keys.key({ alg: kid, kid }, { payload: '', signature: '' })
      expect(key).toEqual(publicKey)
    }
  })
})

describe('JWKS cache: renewing', () => {
  test('keys are used for ten minutes, then renewed in the background', async () => {
    const harness = await startIssuerHarness()
    const old = await harness.issuer.token(ann)
    await harness.keyOf(old)
    await harness.issuer.rotateKeys()
    harness.advance(FRESH_MS - 1)
    await harness.keyOf(old)
    expect([await harness.settle(), harness.issuer.hits().keys]).toEqual([0, 1])

    harness.advance(1)
    const served = await Promise.all([old, old, old].map(harness.keyOf))
    expect(served).toEqual([publicKey, publicKey, publicKey])
    expect([await harness.settle(), harness.issuer.hits().keys]).toEqual([1, 2])

    expect(await harness.keyOf(await harness.issuer.token(ann))).toEqual(publicKey)
    await expect(harness.keyOf(old)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })

  test('after a long pause requests wait for the renewal, so a revoked key is not used', async () => {
    const harness = await startIssuerHarness()
    const old = await harness.issuer.token(ann)
    await harness.keyOf(old)
    await harness.issuer.rotateKeys()
    harness.advance(STALE_MS)
    const all = await Promise.allSettled([old, old, old].map(harness.keyOf))
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(harness.issuer.hits().keys).toBe(2)
  })

  test('after a long pause with the issuer down, requests wait for one fetch, then use the last good keys', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    await harness.keyOf(token)
    harness.issuer.down(true)
    harness.advance(STALE_MS)
    for (let request = 0; request < 3; request += 1) {
      expect(await harness.keyOf(token)).toEqual(publicKey)
    }
    expect(harness.issuer.hits()).toEqual({ discovery: 1, keys: 2 })
    harness.advance(REFETCH_MS)
    harness.issuer.down(false)
    await harness.issuer.rotateKeys()
    await expect(harness.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })

  test('a request without a background waits for the renewal', async () => {
    const harness = await startIssuerHarness()
    await harness.keys.ready()
    harness.advance(FRESH_MS)
    await harness.issuer.rotateKeys()
    await harness.keys.ready()
    expect(await harness.keyOf(await harness.issuer.token(ann))).toEqual(publicKey)
    expect(harness.issuer.hits().keys).toBe(2)
  })

  test('the cache is ready while the last good keys are in use', async () => {
    const harness = await startIssuerHarness()
    await harness.keys.ready()
    harness.issuer.down(true)
    harness.advance(FRESH_MS)
    await expect(harness.keys.ready()).resolves.toBeUndefined()
    expect(harness.calls).toHaveLength(3)
  })

  test('the last good keys are used for at most 24 hours of an outage', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    await harness.keyOf(token)
    harness.issuer.down(true)
    harness.advance(LAST_GOOD_MS - 1)
    expect(await harness.keyOf(token)).toEqual(publicKey)
    await harness.settle()
    expect(harness.logged).toEqual([
      { level: 'warn', event: 'issuer_keys_unavailable', reason: 'issuer_keys_connection_lost' },
    ])
    harness.advance(1)
    await expect(harness.keyOf(token)).rejects.toEqual(unavailable('retry_later'))
    harness.advance(RETRY_MS)
    await expect(harness.keyOf(token)).rejects.toEqual(unavailable('connection_lost'))

    harness.issuer.down(false)
    harness.advance(RETRY_MS)
    expect(await harness.keyOf(token)).toEqual(publicKey)
  })

  test('during an outage the issuer is called every 30 seconds, until it responds', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    await harness.keyOf(token)
    harness.issuer.down(true)
    harness.advance(FRESH_MS)
    const attempts = async () => {
      for (const _ of [1, 2, 3]) await harness.keyOf(token)
      return harness.settle()
    }
    expect(await attempts()).toBe(1)
    harness.advance(REFETCH_MS - 1)
    expect(await attempts()).toBe(0)
    harness.issuer.down(false)
    harness.advance(1)
    expect(await attempts()).toBe(1)
    harness.advance(REFETCH_MS)
    expect(await attempts()).toBe(0)
  })

  test('an empty set replaces the old keys', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    await harness.keyOf(token)
    harness.issuer.rehearse(changed('keys', () => ({ keys: [] })))
    harness.advance(FRESH_MS)
    await expect(harness.keys.ready()).rejects.toEqual(unavailable('no_usable_key'))
    await expect(harness.keyOf(token)).rejects.toEqual(unavailable('retry_later'))
    harness.issuer.rehearse(undefined)
    harness.advance(RETRY_MS)
    expect(await harness.keyOf(token)).toEqual(publicKey)
  })

  test('a slow response does not replace the keys of a later fetch', async () => {
    const harness = await startIssuerHarness()
    const old = await harness.issuer.token(ann)
    await harness.keyOf(old)
    harness.advance(FRESH_MS)
    const asked = Promise.withResolvers<void>()
    const slow = Promise.withResolvers<void>()
    harness.issuer.rehearse(async (_document, usual) => {
      asked.resolve()
      await slow.promise
      return { body: usual }
    })
    await harness.keyOf(old)
    await asked.promise
    harness.issuer.rehearse(undefined)
    await harness.issuer.rotateKeys()
    const fresh = await harness.issuer.token(ann)
    expect(await harness.keyOf(fresh)).toEqual(publicKey)
    slow.resolve()
    await harness.settle()
    expect(await harness.keyOf(fresh)).toEqual(publicKey)
    await expect(harness.keyOf(old)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })
})

describe('JWKS cache: an unknown key id', () => {
  test('makes a limited number of requests wait for a silent issuer, and no request with a known key', async () => {
    const harness = await startIssuerHarness()
    const known = await harness.issuer.token(ann)
    await harness.keyOf(known)
    const answer = Promise.withResolvers<void>()
    harness.issuer.rehearse(async (_document, usual) => {
      await answer.promise
      return { body: usual }
    })
    const unknown = await harness.issuer.forgedToken(ann)
    const waiting = Array.from({ length: MAX_WAITING }, () => harness.keyOf(unknown))
    const refused = Promise.allSettled(waiting)
    await expect(harness.keyOf(unknown)).rejects.toEqual(unavailable('busy'))
    expect(await harness.keyOf(known)).toEqual(publicKey)
    answer.resolve()
    for (const { status } of await refused) expect(status).toBe('rejected')
    await expect(harness.keyOf(unknown)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })

  test('leaves most of a small limit to requests with a known key', async () => {
    const harness = await startIssuerHarness({ maxInFlight: 8 })
    await harness.keys.ready()
    const answer = Promise.withResolvers<void>()
    harness.issuer.rehearse(async (_document, usual) => {
      await answer.promise
      return { body: usual }
    })
    const unknown = await harness.issuer.forgedToken(ann)
    const refused = Promise.allSettled([harness.keyOf(unknown), harness.keyOf(unknown)])
    await expect(harness.keyOf(unknown)).rejects.toEqual(unavailable('busy'))
    answer.resolve()
    await refused
  })

  async function startedHarness(): Promise<IssuerHarness> {
    const harness = await startIssuerHarness()
    await harness.keys.ready()
    return harness
  }

  test('is fetched at once after the issuer has changed its keys', async () => {
    const harness = await startedHarness()
    await harness.issuer.rotateKeys()
    const token = await harness.issuer.token(ann)
    const found = await Promise.all([token, token, token].map(harness.keyOf))
    expect(found).toEqual([publicKey, publicKey, publicKey])
    expect(harness.issuer.hits()).toEqual({ discovery: 1, keys: 2 })
  })

  test('causes one fetch in 30 seconds, for any number of ids', async () => {
    const harness = await startedHarness()
    const hits = async () => {
      for (const _ of [1, 2, 3]) {
        const token = await harness.issuer.forgedToken(ann)
        await expect(harness.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
      }
      return harness.issuer.hits().keys
    }
    expect(await hits()).toBe(2)
    harness.advance(REFETCH_MS - 1)
    expect(await hits()).toBe(2)
    harness.advance(1)
    expect(await hits()).toBe(3)
  })

  test('causes one fetch even if requests cannot share it', async () => {
    const harness = await startIssuerHarness({ singleFlight: createBoundedFlights(5_000) })
    await harness.keys.ready()
    const tokens = await Promise.all([1, 2, 3].map(() => harness.issuer.forgedToken(ann)))
    for (const answer of await Promise.allSettled(tokens.map(harness.keyOf))) {
      expect(answer).toMatchObject({ reason: { code: 'ERR_JWKS_NO_MATCHING_KEY' } })
    }
    expect(harness.issuer.hits().keys).toBe(2)
  })

  test('causes one fetch in 30 seconds while the issuer is down', async () => {
    const harness = await startedHarness()
    const good = await harness.issuer.token(ann)
    harness.issuer.down(true)
    const attempts = async () => {
      for (const _ of [1, 2, 3]) {
        const token = await harness.issuer.forgedToken(ann)
        await expect(harness.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
      }
      return harness.calls.length
    }
    expect(await attempts()).toBe(3)
    harness.advance(REFETCH_MS - 1)
    expect(await attempts()).toBe(3)
    expect(await harness.keyOf(good)).toEqual(publicKey)
    harness.advance(1)
    expect(await attempts()).toBe(4)
  })

  test('is not fetched twice for one request', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.forgedToken(ann)
    await expect(harness.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
    expect(harness.issuer.hits().keys).toBe(1)
  })

  test('gets 503 when the fetch shows that the issuer has no keys', async () => {
    const harness = await startedHarness()
    harness.issuer.rehearse(changed('keys', () => ({ keys: [] })))
    const token = await harness.issuer.forgedToken(ann)
    await expect(harness.keyOf(token)).rejects.toEqual(unavailable('no_usable_key'))
  })
})

describe('JWKS cache: no keys', () => {
  test('after a failure the issuer is called once per second', async () => {
    const harness = await startIssuerHarness()
    const token = await harness.issuer.token(ann)
    harness.issuer.down(true)
    await expect(harness.keyOf(token)).rejects.toEqual(unavailable('connection_lost'))
    for (const _ of [1, 2, 3]) {
      await expect(harness.keyOf(token)).rejects.toEqual(unavailable('retry_later'))
    }
    harness.advance(RETRY_MS - 1)
    await expect(harness.keys.ready()).rejects.toEqual(unavailable('retry_later'))
    expect(harness.issuer.hits().discovery).toBe(1)
    harness.advance(1)
    await expect(harness.keyOf(token)).rejects.toEqual(unavailable('connection_lost'))
    expect(harness.issuer.hits().discovery).toBe(2)

    harness.issuer.down(false)
    harness.advance(RETRY_MS)
    expect(await harness.keyOf(token)).toEqual(publicKey)
    await expect(harness.keys.ready()).resolves.toBeUndefined()
  })

  test('neither errors nor the log contain a URL', async () => {
    const harness = await startIssuerHarness()
    harness.issuer.down(true)
    const error = await harness.keys.ready().catch((thrown: Error) => thrown)
    const seen = JSON.stringify([error, (error as Error).stack, harness.logged])
    expect(seen).toContain('issuer_keys_connection_lost')
    expect(seen).not.toContain('127.0.0.1')
  })
})
