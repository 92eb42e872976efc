import { errors, exportJWK, generateKeyPair, generateSecret } from 'jose'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Rehearse } from '../../../../src/demo/demo-users.ts'
import {
  FRESH_MS,
  LAST_GOOD_MS,
  MAX_WAITING,
  REFETCH_MS,
  RETRY_MS,
  STALE_MS,
} from '../../../../src/gateway/auth/issuer-keys.ts'
import { fewFlights } from '../../../../src/gateway/runtimes/shared/single-flight.ts'
import { type IssuerBench, startIssuerBench } from '../../../support/issuer.ts'

const ann = { sub: 'ann' }

/** What every refusal for want of keys looks like; `reason` is for the log. */
const unavailable = (reason: string, facts = {}) =>
  expect.objectContaining({
    code: 'upstream_unavailable',
    message: 'Tokens cannot be checked right now.',
    facts: { headers: { 'Retry-After': '5' }, reason: `issuer_keys_${reason}`, ...facts },
  })

const publicKey = expect.objectContaining({ type: 'public' })

/** Both documents as they are, but for what `change` does to one of them. */
const changed =
  (document: 'discovery' | 'keys', change: (usual: Record<string, unknown>) => unknown): Rehearse =>
  (asked, usual) => ({ body: asked === document ? change(usual) : usual })

describe('fetching', () => {
  test('asks for nothing before the first need, then for each document once', async () => {
    const bench = await startIssuerBench()
    expect(bench.issuer.hits()).toEqual({ discovery: 0, keys: 0 })
    const token = await bench.issuer.token(ann)
    const tokens = Array.from({ length: 200 }, () => token)
    for (const key of await Promise.all(tokens.map(bench.keyOf))) expect(key).toEqual(publicKey)
    await bench.keyOf(token)
    expect(bench.issuer.hits()).toEqual({ discovery: 1, keys: 1 })
  })

  test('without shared flights concurrent requests all get their key', async () => {
    const bench = await startIssuerBench({ share: fewFlights(5_000) })
    const token = await bench.issuer.token(ann)
    for (const key of await Promise.all([token, token, token].map(bench.keyOf))) {
      expect(key).toEqual(publicKey)
    }
    await bench.keyOf(token)
    expect(bench.issuer.hits().keys).toBe(3)
  })

  test('a configured key set needs no discovery', async () => {
    const other = await startIssuerBench()
    const bench = await startIssuerBench({ jwt: { jwksUrl: `${other.issuer.issuer}/keys` } })
    expect(await bench.keyOf(await other.issuer.token(ann))).toEqual(publicKey)
    expect(other.issuer.hits()).toEqual({ discovery: 0, keys: 1 })
    expect(bench.issuer.hits()).toEqual({ discovery: 0, keys: 0 })
  })

  test.each([
    ['stands still', 0],
    ['is set forward', 3_600_000],
    ['is set back', -3_600_000],
  ])('bounds discovery and keys together, also when the clock %s', async (_, stepMs) => {
    const bench = await startIssuerBench({ timeoutMs: 900 })
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    bench.issuer.rehearse((_document, usual) => {
      vi.advanceTimersByTime(300)
      bench.advance(stepMs)
      return { body: usual }
    })
    await bench.keys.ready()
    expect(bench.calls.map((call) => [call.method, call.timeoutMs])).toEqual([
      ['GET', 900],
      ['GET', 600],
    ])
    expect(bench.calls[0]?.headers).toEqual({ accept: 'application/json' })
  })

  test('a slow issuer is given up', async () => {
    const bench = await startIssuerBench({ timeoutMs: 20 })
    const { promise, resolve } = Promise.withResolvers<{ body: unknown }>()
    bench.issuer.rehearse(() => promise)
    await expect(bench.keys.ready()).rejects.toEqual(unavailable('timeout'))
    resolve({ body: {} })
  })
})

describe('discovery', () => {
  test('an issuer that ends in a slash is asked at the same place, and must match with it', async () => {
    const plain = await startIssuerBench()
    const issuer = `${plain.issuer.issuer}/`
    const bench = await startIssuerBench({ jwt: { issuer } })
    await expect(bench.keys.ready()).rejects.toEqual(unavailable('issuer_mismatch'))
    plain.issuer.rehearse(changed('discovery', (usual) => ({ ...usual, issuer })))
    bench.advance(RETRY_MS)
    await bench.keys.ready()
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
    const bench = await startIssuerBench()
    bench.issuer.rehearse(changed('discovery', (usual) => ({ ...usual, ...change })))
    await expect(bench.keys.ready()).rejects.toEqual(unavailable(reason))
    expect(bench.calls).toHaveLength(1)
  })

  test.each(['http://127.0.0.1:1/keys', 'https://localhost/keys', 'http://[::1]:1/keys'])(
    'of a remote issuer cannot name a key set on this machine: %s',
    async (jwks_uri) => {
      const issuer = 'https://login.example.com'
      const called: string[] = []
      const bench = await startIssuerBench({
        jwt: { issuer },
        callOut: async ({ url }) => {
          called.push(url)
          return {
            status: 200,
            header: () => undefined,
            text: JSON.stringify({ issuer, jwks_uri }),
          }
        },
      })
      await expect(bench.keys.ready()).rejects.toEqual(unavailable('jwks_uri'))
      expect(called).toEqual([`${issuer}/.well-known/openid-configuration`])
    },
  )

  test('is done again once the keys are no longer where it said', async () => {
    const bench = await startIssuerBench()
    const { issuer } = bench.issuer
    const moved = changed('discovery', (usual) => ({ ...usual, jwks_uri: `${issuer}/moved` }))
    bench.issuer.rehearse(moved)
    await expect(bench.keys.ready()).rejects.toEqual(unavailable('status', { issuerStatus: 404 }))
    bench.issuer.rehearse(undefined)
    bench.advance(RETRY_MS)
    await bench.keys.ready()
    expect(bench.issuer.hits()).toEqual({ discovery: 2, keys: 1 })
  })

  test('is remembered while the keys are where it said', async () => {
    const bench = await startIssuerBench()
    await bench.keys.ready()
    bench.advance(FRESH_MS)
    await bench.keys.ready()
    expect(bench.issuer.hits()).toEqual({ discovery: 1, keys: 2 })
  })
})

describe('an issuer that says something else', () => {
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
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    bench.issuer.rehearse((document, usual) => (document === 'keys' ? said : { body: usual }))
    const facts = issuerStatus === undefined ? {} : { issuerStatus }
    await expect(bench.keyOf(token)).rejects.toEqual(unavailable(reason, facts))
    expect(bench.logged).toEqual([
      { level: 'error', event: 'issuer keys unavailable', reason, ...facts },
    ])
  })

  test('keys for none of our algorithms are no keys', async () => {
    const bench = await startIssuerBench({ jwt: { algorithms: ['RS256'] } })
    await expect(bench.keys.ready()).rejects.toEqual(unavailable('no_usable_key'))
  })

  test('keeps the usable members of a key set', async () => {
    const bench = await startIssuerBench({ jwt: { algorithms: ['ES256', 'RS256', 'EdDSA'] } })
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
    bench.issuer.rehearse(changed('keys', () => ({ keys: members })))
    const found = (alg: string, kid: string) =>
      bench.keys.key({ alg, kid }, { payload: '', signature: '' })
    expect(await found('ES256', 'ec')).toEqual(publicKey)
    expect(await found('RS256', 'rsa')).toEqual(publicKey)
    expect(await found('EdDSA', 'ed')).toEqual(publicKey)
    for (const kid of ['private', 'encryption', 'bad-point', 'no-verify', 'unwanted', 'short']) {
      const alg = kid === 'short' ? 'RS256' : 'ES256'
      await expect(found(alg, kid)).rejects.toThrow(errors.JWKSNoMatchingKey)
    }
    await expect(found('HS256', 'hmac')).rejects.toThrow(errors.JOSENotSupported)
  })

  test('keys of the larger curves are usable without a name for their algorithm', async () => {
    const bench = await startIssuerBench({ jwt: { algorithms: ['ES384', 'ES512'] } })
    const keys = await Promise.all(
      ['ES384', 'ES512'].map(async (kid) => {
        const { publicKey } = await generateKeyPair(kid, { extractable: true })
        return { ...(await exportJWK(publicKey)), kid }
      }),
    )
    bench.issuer.rehearse(changed('keys', () => ({ keys })))
    for (const kid of ['ES384', 'ES512']) {
      const key = await bench.keys.key({ alg: kid, kid }, { payload: '', signature: '' })
      expect(key).toEqual(publicKey)
    }
  })
})

describe('renewing', () => {
  test('keys serve unasked for ten minutes, then are renewed while they go on serving', async () => {
    const bench = await startIssuerBench()
    const old = await bench.issuer.token(ann)
    await bench.keyOf(old)
    await bench.issuer.rotateKeys()
    bench.advance(FRESH_MS - 1)
    await bench.keyOf(old)
    expect([await bench.settle(), bench.issuer.hits().keys]).toEqual([0, 1])

    bench.advance(1)
    const served = await Promise.all([old, old, old].map(bench.keyOf))
    expect(served).toEqual([publicKey, publicKey, publicKey])
    expect([await bench.settle(), bench.issuer.hits().keys]).toEqual([1, 2])

    expect(await bench.keyOf(await bench.issuer.token(ann))).toEqual(publicKey)
    await expect(bench.keyOf(old)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })

  test('after a long pause the renewal is waited for, so that no key the issuer took back serves', async () => {
    const bench = await startIssuerBench()
    const old = await bench.issuer.token(ann)
    await bench.keyOf(old)
    await bench.issuer.rotateKeys()
    bench.advance(STALE_MS)
    const all = await Promise.allSettled([old, old, old].map(bench.keyOf))
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(bench.issuer.hits().keys).toBe(2)
  })

  test('after a long pause with the issuer down one try is waited for, then the last good keys serve', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    await bench.keyOf(token)
    bench.issuer.down(true)
    bench.advance(STALE_MS)
    for (let request = 0; request < 3; request += 1) {
      expect(await bench.keyOf(token)).toEqual(publicKey)
    }
    expect(bench.issuer.hits()).toEqual({ discovery: 1, keys: 2 })
    bench.advance(REFETCH_MS)
    bench.issuer.down(false)
    await bench.issuer.rotateKeys()
    await expect(bench.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })

  test('without a background the renewal is waited for', async () => {
    const bench = await startIssuerBench()
    await bench.keys.ready()
    bench.advance(FRESH_MS)
    await bench.issuer.rotateKeys()
    await bench.keys.ready()
    expect(await bench.keyOf(await bench.issuer.token(ann))).toEqual(publicKey)
    expect(bench.issuer.hits().keys).toBe(2)
  })

  test('is ready while the last good keys serve', async () => {
    const bench = await startIssuerBench()
    await bench.keys.ready()
    bench.issuer.down(true)
    bench.advance(FRESH_MS)
    await expect(bench.keys.ready()).resolves.toBeUndefined()
    expect(bench.calls).toHaveLength(3)
  })

  test('the last good keys serve for 24 hours of outage, and no longer', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    await bench.keyOf(token)
    bench.issuer.down(true)
    bench.advance(LAST_GOOD_MS - 1)
    expect(await bench.keyOf(token)).toEqual(publicKey)
    await bench.settle()
    expect(bench.logged).toEqual([
      { level: 'warn', event: 'issuer keys unavailable', reason: 'lost' },
    ])
    bench.advance(1)
    await expect(bench.keyOf(token)).rejects.toEqual(unavailable('retry_later'))
    bench.advance(RETRY_MS)
    await expect(bench.keyOf(token)).rejects.toEqual(unavailable('lost'))

    bench.issuer.down(false)
    bench.advance(RETRY_MS)
    expect(await bench.keyOf(token)).toEqual(publicKey)
  })

  test('an outage is asked about every 30 seconds, and over with the first answer', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    await bench.keyOf(token)
    bench.issuer.down(true)
    bench.advance(FRESH_MS)
    const attempts = async () => {
      for (const _ of [1, 2, 3]) await bench.keyOf(token)
      return bench.settle()
    }
    expect(await attempts()).toBe(1)
    bench.advance(REFETCH_MS - 1)
    expect(await attempts()).toBe(0)
    bench.issuer.down(false)
    bench.advance(1)
    expect(await attempts()).toBe(1)
    bench.advance(REFETCH_MS)
    expect(await attempts()).toBe(0)
  })

  test('a set without keys takes the old ones away', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    await bench.keyOf(token)
    bench.issuer.rehearse(changed('keys', () => ({ keys: [] })))
    bench.advance(FRESH_MS)
    await expect(bench.keys.ready()).rejects.toEqual(unavailable('no_usable_key'))
    await expect(bench.keyOf(token)).rejects.toEqual(unavailable('retry_later'))
    bench.issuer.rehearse(undefined)
    bench.advance(RETRY_MS)
    expect(await bench.keyOf(token)).toEqual(publicKey)
  })

  test('a slow answer does not undo what a later fetch brought', async () => {
    const bench = await startIssuerBench()
    const old = await bench.issuer.token(ann)
    await bench.keyOf(old)
    bench.advance(FRESH_MS)
    const asked = Promise.withResolvers<void>()
    const slow = Promise.withResolvers<void>()
    bench.issuer.rehearse(async (_document, usual) => {
      asked.resolve()
      await slow.promise
      return { body: usual }
    })
    await bench.keyOf(old)
    await asked.promise
    bench.issuer.rehearse(undefined)
    await bench.issuer.rotateKeys()
    const fresh = await bench.issuer.token(ann)
    expect(await bench.keyOf(fresh)).toEqual(publicKey)
    slow.resolve()
    await bench.settle()
    expect(await bench.keyOf(fresh)).toEqual(publicKey)
    await expect(bench.keyOf(old)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })
})

describe('an unknown key id', () => {
  test('has only so many wait for an issuer that is silent, and nobody whose key is known', async () => {
    const bench = await startIssuerBench()
    const known = await bench.issuer.token(ann)
    await bench.keyOf(known)
    const answer = Promise.withResolvers<void>()
    bench.issuer.rehearse(async (_document, usual) => {
      await answer.promise
      return { body: usual }
    })
    const unknown = await bench.issuer.forgedToken(ann)
    const waiting = Array.from({ length: MAX_WAITING }, () => bench.keyOf(unknown))
    const refused = Promise.allSettled(waiting)
    await expect(bench.keyOf(unknown)).rejects.toEqual(unavailable('busy'))
    expect(await bench.keyOf(known)).toEqual(publicKey)
    answer.resolve()
    for (const { status } of await refused) expect(status).toBe('rejected')
    await expect(bench.keyOf(unknown)).rejects.toThrow(errors.JWKSNoMatchingKey)
  })

  test('leaves most of few places to those whose key is known', async () => {
    const bench = await startIssuerBench({ maxInFlight: 8 })
    await bench.keys.ready()
    const answer = Promise.withResolvers<void>()
    bench.issuer.rehearse(async (_document, usual) => {
      await answer.promise
      return { body: usual }
    })
    const unknown = await bench.issuer.forgedToken(ann)
    const refused = Promise.allSettled([bench.keyOf(unknown), bench.keyOf(unknown)])
    await expect(bench.keyOf(unknown)).rejects.toEqual(unavailable('busy'))
    answer.resolve()
    await refused
  })

  async function startedBench(): Promise<IssuerBench> {
    const bench = await startIssuerBench()
    await bench.keys.ready()
    return bench
  }

  test('is looked up at once after the issuer changed its keys', async () => {
    const bench = await startedBench()
    await bench.issuer.rotateKeys()
    const token = await bench.issuer.token(ann)
    const found = await Promise.all([token, token, token].map(bench.keyOf))
    expect(found).toEqual([publicKey, publicKey, publicKey])
    expect(bench.issuer.hits()).toEqual({ discovery: 1, keys: 2 })
  })

  test('causes one fetch in 30 seconds, however many there are', async () => {
    const bench = await startedBench()
    const hits = async () => {
      for (const _ of [1, 2, 3]) {
        const token = await bench.issuer.forgedToken(ann)
        await expect(bench.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
      }
      return bench.issuer.hits().keys
    }
    expect(await hits()).toBe(2)
    bench.advance(REFETCH_MS - 1)
    expect(await hits()).toBe(2)
    bench.advance(1)
    expect(await hits()).toBe(3)
  })

  test('causes one fetch as well where requests cannot share one', async () => {
    const bench = await startIssuerBench({ share: fewFlights(5_000) })
    await bench.keys.ready()
    const tokens = await Promise.all([1, 2, 3].map(() => bench.issuer.forgedToken(ann)))
    for (const answer of await Promise.allSettled(tokens.map(bench.keyOf))) {
      expect(answer).toMatchObject({ reason: { code: 'ERR_JWKS_NO_MATCHING_KEY' } })
    }
    expect(bench.issuer.hits().keys).toBe(2)
  })

  test('causes no more than that while the issuer is down', async () => {
    const bench = await startedBench()
    const good = await bench.issuer.token(ann)
    bench.issuer.down(true)
    const attempts = async () => {
      for (const _ of [1, 2, 3]) {
        const token = await bench.issuer.forgedToken(ann)
        await expect(bench.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
      }
      return bench.calls.length
    }
    expect(await attempts()).toBe(3)
    bench.advance(REFETCH_MS - 1)
    expect(await attempts()).toBe(3)
    expect(await bench.keyOf(good)).toEqual(publicKey)
    bench.advance(1)
    expect(await attempts()).toBe(4)
  })

  test('is not looked up again in keys that were fetched for it', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.forgedToken(ann)
    await expect(bench.keyOf(token)).rejects.toThrow(errors.JWKSNoMatchingKey)
    expect(bench.issuer.hits().keys).toBe(1)
  })

  test('is answered 503 when looking it up shows that there are no keys any more', async () => {
    const bench = await startedBench()
    bench.issuer.rehearse(changed('keys', () => ({ keys: [] })))
    const token = await bench.issuer.forgedToken(ann)
    await expect(bench.keyOf(token)).rejects.toEqual(unavailable('no_usable_key'))
  })
})

describe('no keys at all', () => {
  test('an issuer that is down is asked once per second', async () => {
    const bench = await startIssuerBench()
    const token = await bench.issuer.token(ann)
    bench.issuer.down(true)
    await expect(bench.keyOf(token)).rejects.toEqual(unavailable('lost'))
    for (const _ of [1, 2, 3]) {
      await expect(bench.keyOf(token)).rejects.toEqual(unavailable('retry_later'))
    }
    bench.advance(RETRY_MS - 1)
    await expect(bench.keys.ready()).rejects.toEqual(unavailable('retry_later'))
    expect(bench.issuer.hits().discovery).toBe(1)
    bench.advance(1)
    await expect(bench.keyOf(token)).rejects.toEqual(unavailable('lost'))
    expect(bench.issuer.hits().discovery).toBe(2)

    bench.issuer.down(false)
    bench.advance(RETRY_MS)
    expect(await bench.keyOf(token)).toEqual(publicKey)
    await expect(bench.keys.ready()).resolves.toBeUndefined()
  })

  test('neither errors nor the log name an address', async () => {
    const bench = await startIssuerBench()
    bench.issuer.down(true)
    const error = await bench.keys.ready().catch((thrown: Error) => thrown)
    const seen = JSON.stringify([error, (error as Error).stack, bench.logged])
    expect(seen).toContain('issuer_keys_lost')
    expect(seen).not.toContain('127.0.0.1')
  })
})
