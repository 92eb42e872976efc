import { describe, expect, test } from 'vitest'
import { endpoints } from '../../src/gateway/routes/index.ts'
import { type Harness, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const origin = 'https://app.example.com'
const environment = { CORS_ORIGINS: `${origin},http://localhost:5173` }

function corsHeaders(response: Response): string[] {
  return [...response.headers.keys()].filter((name) => name.startsWith('access-control-'))
}

function preflight(harness: Harness, path: string, headers: Record<string, string>) {
  return harness.request('OPTIONS', path, { as: null, headers })
}

const listed = (response: Response, name: string) =>
  (response.headers.get(name) ?? '').split(/,\s*/).filter((item) => item !== '')

describe('CORS preflight', () => {
  test.each(endpoints.map(({ route }) => [route.operationId, route] as const))(
    '%s: allows the method and headers of the operation',
    async (_, route) => {
      const harness = await startHarness({ environment })
      const path = route.path.replace('{confirmKey}', 'key')
      const response = await preflight(harness, path, {
        origin,
        'access-control-request-method': route.method.toUpperCase(),
        'access-control-request-headers': 'authorization,content-type',
      })
      expect(response.status).toBe(204)
      expect(response.headers.get('access-control-allow-origin')).toBe(origin)
      expect(listed(response, 'access-control-allow-methods')).toEqual(['GET', 'POST', 'DELETE'])
      expect(listed(response, 'access-control-allow-headers')).toEqual([
        'Authorization',
        'Content-Type',
        'Idempotency-Key',
        'traceparent',
      ])
      expect(response.headers.get('access-control-allow-credentials')).toBeNull()
      expect(listed(response, 'vary')).toContain('Origin')
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(harness.smhCalls()).toEqual([])
    },
  )

  test('allows exactly the metadata headers that the browser requests', async () => {
    const harness = await startHarness({ environment })
    const response = await preflight(harness, '/v1/uploads', {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers':
        'x-smh-meta-origin, X-Smh-Meta-Title,x-smh-other,x-more,x-smh-meta-<b>,x-smh-meta-\u00e9,x-smh-meta-',
    })
    const allowed = listed(response, 'access-control-allow-headers').map((name) =>
      name.toLowerCase(),
    )
    expect(allowed).toEqual([
      'authorization',
      'content-type',
      'idempotency-key',
      'traceparent',
      'x-smh-meta-origin',
      'x-smh-meta-title',
    ])
  })

  test.each([
    'https://evil.example.com',
    'https://app.example.com.evil.com',
    'http://app.example.com',
    'https://app.example.com:444',
    'https://APP.example.com',
    'null',
    '',
  ])('the origin %j is not allowed', async (other) => {
    const harness = await startHarness({ environment })
    const response = await preflight(harness, '/v1/uploads', {
      origin: other,
      'access-control-request-method': 'POST',
    })
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(listed(response, 'vary')).toContain('Origin')
  })
})

describe('CORS response', () => {
  test.each([origin, 'http://localhost:5173'])(
    'the allowed origin %s can read it',
    async (from) => {
      const harness = await startHarness({ environment })
      const response = await harness.request('POST', '/v1/uploads', {
        body: { path: 'a', size: 5 },
        headers: { origin: from },
      })
      expect(response.status).toBe(201)
      expect(response.headers.get('access-control-allow-origin')).toBe(from)
      expect(listed(response, 'vary')).toContain('Origin')
      expect(listed(response, 'access-control-expose-headers').sort()).toEqual([
        'Date',
        'Location',
        'RateLimit',
        'RateLimit-Policy',
        'Retry-After',
        'Upload-Expires',
        'X-Request-Id',
      ])
      expect(response.headers.get('access-control-allow-credentials')).toBeNull()
    },
  )

  test.each(['https://evil.example.com', undefined])(
    'the origin %s cannot read it',
    async (from) => {
      const harness = await startHarness({ environment })
      const response = await harness.request('GET', '/v1/uploads/x', {
        headers: from ? { origin: from } : {},
      })
      expect(response.headers.get('access-control-allow-origin')).toBeNull()
      expect(listed(response, 'vary')).toContain('Origin')
    },
  )

  test.each([
    ['GET', '/v1/uploads/x', null, 401],
    ['GET', '/v1/uploads/x', { sub: 'ann' }, 404],
    ['POST', '/v1/uploads', { sub: 'ann' }, 400],
    ['PUT', '/v1/uploads', { sub: 'ann' }, 405],
    ['GET', '/v1/nothing', { sub: 'ann' }, 404],
  ] as const)(
    '%s %s as %j: the page can read the response with status %d',
    async (method, path, as, status) => {
      const harness = await startHarness({ environment })
      const response = await harness.request(method, path, { as, headers: { origin } })
      expect(response.status).toBe(status)
      expect(response.headers.get('access-control-allow-origin')).toBe(origin)
      expect(listed(response, 'access-control-expose-headers')).toContain('X-Request-Id')
      expect(listed(response, 'vary')).toContain('Origin')
    },
  )

  test('an allowed origin can read a 503', async () => {
    const limits = { MAX_IN_FLIGHT: '1', UPSTREAM_TIMEOUT_SECONDS: '1' }
    const harness = await startHarness({ environment: { ...environment, ...limits } })
    harness.emulator.controls.force('begin-multipart', { delayMs: 3_600_000 })
    const begin = { body: { path: 'a.txt', size: 5 }, headers: { origin } }
    const first = harness.request('POST', '/v1/uploads', begin)
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(1)
    const second = await harness.request('POST', '/v1/uploads', begin)
    expect(second.headers.get('access-control-allow-origin')).toBe(origin)
    await expectProblem(second, 503, 'overloaded')
    await first
  })
})

test.each([
  [
    'an origin that is not allowed',
    environment,
    { origin: 'https://other.example.com' },
    'preflight_origin',
  ],
  [
    'a method that is not allowed',
    environment,
    { 'access-control-request-method': 'PUT' },
    'preflight_method',
  ],
  [
    'a header that is not allowed',
    environment,
    { 'access-control-request-headers': 'x-a' },
    'preflight_header',
  ],
  ['no configured origins', {}, {}, 'preflight_cors_off'],
  ['an allowed preflight', environment, {}, undefined],
])('CORS preflight: the log has the reason for %s', async (_, environment, headers, reason) => {
  const harness = await startHarness({ environment })
  await preflight(harness, '/v1/uploads', {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,x-smh-meta-a',
    ...headers,
  })
  const line = (await harness.records()).find(({ event }) => event === 'request')
  expect(line).toMatchObject({ event: 'request', level: 'info', method: 'OPTIONS' })
  expect(line?.reason).toBe(reason)
})

test('CORS: without CORS_ORIGINS no response has CORS headers', async () => {
  const harness = await startHarness()
  const asked = await preflight(harness, '/v1/uploads', {
    origin,
    'access-control-request-method': 'POST',
  })
  await expectProblem(asked, 405, 'method_not_allowed')
  const response = await harness.request('GET', '/v1/uploads/x', { headers: { origin } })
  expect([...corsHeaders(asked), ...corsHeaders(response)]).toEqual([])
})

test('CORS: paths outside /v1 have no CORS headers', async () => {
  const harness = await startHarness({ environment })
  for (const path of ['/livez', '/readyz', '/openapi.json', '/docs']) {
    const response = await harness.request('GET', path, { headers: { origin } })
    expect(corsHeaders(response)).toEqual([])
  }
})
