import { describe, expect, test } from 'vitest'
import { bob, type Harness, type RequestOptions, startHarness } from '../support/harness.ts'

const good = { path: 'a.txt', size: 5 }

function send(harness: Harness, options: RequestOptions = {}, operation = 'uploads') {
  return harness.request('POST', `/v1/${operation}`, { body: good, ...options })
}

const limitOf = ({ headers }: Response) => [
  headers.get('ratelimit-policy'),
  headers.get('ratelimit'),
]

describe('rate-limit headers', () => {
  test('tell the policy and what is left, per user', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '3' } })
    const policy = '"begins";q=3;w=60'
    for (const left of [2, 1, 0]) {
      const response = await send(harness)
      expect(response.status).toBe(201)
      expect(limitOf(response)).toEqual([
        policy,
        expect.stringMatching(new RegExp(`^"begins";r=${left};t=(?:19|20)$`)),
      ])
    }
    const refused = await send(harness)
    expect(refused.status).toBe(429)
    const [announced, state] = limitOf(refused)
    expect(announced).toBe(policy)
    expect(state).toMatch(/^"begins";r=0;t=\d+$/)
    const [, t] = /t=(\d+)/.exec(state ?? '') ?? []
    expect(t).toBe(refused.headers.get('retry-after'))
    expect(limitOf(await send(harness, { as: bob }))[1]).toMatch(/r=2/)
    harness.advance(Number(t) * 1000)
    expect((await send(harness)).status).toBe(201)
  })

  test.each<[status: number, what: string, options: RequestOptions, operation?: string]>([
    [201, 'a valid begin', {}],
    [400, 'an invalid field', { body: { path: 5 } }],
    [400, 'invalid JSON', { body: '{' }],
    [400, 'an invalid key', { headers: { 'idempotency-key': 'a b' } }],
    [403, 'a forbidden strategy', { body: { ...good, conflictResolutionStrategy: 'overwrite' } }],
    [413, 'a file that is too large', { body: { ...good, size: 1e12 } }],
    [413, 'a body that is too large', { body: ' '.repeat(70_000) }],
    [415, 'another media type', { headers: { 'content-type': 'text/plain' } }],
    [431, 'long metadata', { headers: { 'x-smh-meta-a': 'v'.repeat(2100) } }],
    [200, 'a hash', { body: { ...good, beginningHash: 'a'.repeat(64) } }, 'instant-uploads'],
    [400, 'no hash', { body: good }, 'instant-uploads'],
  ])('a response with %d for %s has them and counts', async (status, _, options, operation) => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '10' } })
    const response = await send(harness, options, operation)
    expect(response.status).toBe(status)
    expect(limitOf(response)).toEqual([
      '"begins";q=10;w=60',
      expect.stringMatching(/^"begins";r=9;t=[56]$/),
    ])
    expect(limitOf(await send(harness))[1]).toMatch(/r=8/)
  })

  test('a request that SMH fails has them', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '10' } })
    harness.emulator.controls.force('begin-multipart', { status: 500 })
    const response = await send(harness)
    expect(response.status).toBe(502)
    expect(limitOf(response)[1]).toMatch(/r=9/)
  })

  test('a request without a valid token does not have them', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '10' } })
    expect(limitOf(await send(harness, { as: null }))).toEqual([null, null])
  })

  test('other operations do not have them', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '10' } })
    const { confirmKey } = await harness.begin(good)
    for (const path of ['/v1/uploads', `/v1/uploads/${confirmKey}`]) {
      expect(limitOf(await harness.request('GET', path))).toEqual([null, null])
    }
  })

  test('without a limit there are none', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '0' } })
    expect(limitOf(await send(harness))).toEqual([null, null])
  })

  test('pages of allowed origins can read them', async () => {
    const environment = { RATE_LIMIT_PER_MINUTE: '10', CORS_ORIGINS: 'https://app.example.com' }
    const harness = await startHarness({ environment })
    const response = await send(harness, { headers: { origin: 'https://app.example.com' } })
    const exposed = response.headers.get('access-control-expose-headers')?.split(', ')
    expect(exposed).toEqual(expect.arrayContaining(['RateLimit', 'RateLimit-Policy']))
  })
})
