import { describe, expect, test } from 'vitest'
import type { DemoUser } from '../../src/demo/demo-users.ts'
import { ann, bob, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const good = { path: 'a.txt', size: 5 }

describe('routes', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['POST', '/v1/uploads/'],
    ['GET', '/v1/uploads/key/complete/more'],
    ['POST', '/v1/upload'],
    ['GET', '/metrics'],
    ['GET', '/docs/..%2f..%2fpackage.json'],
    ['GET', '/docs/constructor'],
    ['GET', '/.env'],
    ['PATCH', '/nothing'],
  ])('%s %s returns 404', async (method, path) => {
    const harness = await startHarness()
    await expectProblem(await harness.request(method, path), 404, 'not_found')
    await expectProblem(await harness.request(method, path, { as: null }), 404, 'not_found')
  })

  test.each([
    ['/v1/uploads', ['PUT', 'PATCH', 'DELETE'], 'GET, HEAD, POST'],
    ['/v1/instant-uploads', ['GET', 'PUT', 'PATCH', 'DELETE'], 'POST'],
    ['/v1/uploads/key', ['POST', 'PUT', 'PATCH'], 'DELETE, GET, HEAD'],
    ['/v1/uploads/key/renew', ['GET', 'PUT', 'DELETE'], 'POST'],
    ['/v1/uploads/key/complete', ['GET', 'PUT', 'DELETE'], 'POST'],
    ['/livez', ['POST', 'DELETE'], 'GET, HEAD'],
    ['/readyz', ['POST', 'DELETE'], 'GET, HEAD'],
    ['/openapi.json', ['POST'], 'GET, HEAD'],
    ['/docs', ['POST'], 'GET, HEAD'],
  ])('%s: each of %j returns 405 with Allow', async (path, methods, allow) => {
    const harness = await startHarness()
    for (const method of methods) {
      const response = await harness.request(method, path)
      expect(response.headers.get('allow')?.split(', ').sort().join(', ')).toBe(allow)
      await expectProblem(response, 405, 'method_not_allowed')
    }
    expect(harness.smhCalls()).toEqual([])
  })

  test('HEAD: same headers as GET, no body', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin(good)
    for (const path of ['/livez', '/v1/uploads', `/v1/uploads/${confirmKey}`]) {
      const head = await harness.request('HEAD', path)
      expect([head.status, await head.text()]).toEqual([200, ''])
    }
    const refused = await harness.request('HEAD', '/v1/instant-uploads')
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'POST'])
    expect((await harness.request('HEAD', '/v1/uploads/x', { as: null })).status).toBe(401)
  })
})

describe('X-Request-Id', () => {
  test('a generated id is in the response, the problem and the log', async () => {
    const harness = await startHarness()
    const ids = new Set<string | null>()
    for (const path of ['/livez', '/nothing', '/v1/uploads/x']) {
      const response = await harness.request('GET', path)
      const id = response.headers.get('x-request-id')
      ids.add(id)
      expect((await harness.records()).at(-1)).toMatchObject({ event: 'request', requestId: id })
    }
    expect(ids.size).toBe(3)
  })

  test.each(['abc-123', 'A_b=', 'x'.repeat(255)])('the valid id %s is kept', async (id) => {
    const harness = await startHarness()
    const response = await harness.request('GET', '/nothing', { headers: { 'x-request-id': id } })
    expect(response.headers.get('x-request-id')).toBe(id)
    expect((await expectProblem(response, 404, 'not_found')).requestId).toBe(id)
    expect((await harness.records()).at(-1)?.requestId).toBe(id)
  })

  test.each(['a b', 'a"b', '<script>', 'caf\u00e9', 'x'.repeat(256), '{"level":"fatal"}'])(
    'the invalid id %s is replaced',
    async (id) => {
      const harness = await startHarness()
      const response = await harness.request('GET', '/nothing', { headers: { 'x-request-id': id } })
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(JSON.stringify(await harness.records())).not.toContain(JSON.stringify(id).slice(1, -1))
    },
  )
})

describe('headers of every response', () => {
  test.each([
    ['GET', '/livez', null],
    ['GET', '/docs', null],
    ['GET', '/docs/reference.css', null],
    ['GET', '/openapi.json', null],
    ['GET', '/nothing', null],
    ['GET', '/v1', 'no-store'],
    ['GET', '/v1/nothing', 'no-store'],
    ['PUT', '/v1/uploads', 'no-store'],
    ['POST', '/v1/uploads', 'no-store'],
    ['GET', '/v1/uploads/x', 'no-store'],
  ])('%s %s: nosniff, Cache-Control %s', async (method, path, cacheControl) => {
    const harness = await startHarness()
    const response = await harness.request(method, path)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    if (cacheControl) expect(response.headers.get('cache-control')).toBe(cacheControl)
    expect(response.headers.get('x-powered-by')).toBeNull()
    expect(response.headers.get('server')).toBeNull()
  })
})

describe('RATE_LIMIT_PER_MINUTE', () => {
  test('counts begins per user, rejected ones too', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '2' } })
    await harness.begin(good)
    const invalid = await harness.request('POST', '/v1/instant-uploads', { body: good })
    await expectProblem(invalid, 400, 'invalid_request')
    harness.emulator.controls.clearCalls()
    for (const path of ['/v1/uploads', '/v1/instant-uploads']) {
      const response = await harness.request('POST', path, { body: good })
      const wait = Number(response.headers.get('retry-after'))
      expect(wait).toBeGreaterThanOrEqual(1)
      expect(wait).toBeLessThanOrEqual(60)
      await expectProblem(response, 429, 'rate_limited')
    }
    expect(harness.smhCalls()).toEqual([])
    await harness.begin(good, { as: bob })
  })

  test('allows ten other requests for each begin, per user and over all operations', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '2' } })
    const { confirmKey } = await harness.begin(good)
    const other = [
      ['GET', `/v1/uploads/${confirmKey}`],
      ['POST', `/v1/uploads/${confirmKey}/renew`],
      ['POST', `/v1/uploads/${confirmKey}/complete`],
      ['GET', '/v1/uploads/x'],
    ] as const
    let allowed = 0
    /** Repeats a call until it is refused; on Workers another minute may begin meanwhile. */
    async function untilRefused([method, path]: readonly [string, string]): Promise<Response> {
      for (;;) {
        harness.emulator.controls.clearCalls()
        const response = await harness.request(method, path)
        if (response.status === 429) return response
        allowed += 1
        expect(allowed).toBeLessThan(100)
      }
    }
    for (let times = 0; times < 5; times += 1) {
      for (const [method, path] of other) {
        expect((await harness.request(method, path)).status).not.toBe(429)
      }
    }
    for (const call of [...other, ['DELETE', `/v1/uploads/${confirmKey}`] as const]) {
      const response = await untilRefused(call)
      const wait = Number(response.headers.get('retry-after'))
      expect(wait).toBeGreaterThanOrEqual(1)
      expect(wait).toBeLessThanOrEqual(60)
      await expectProblem(response, 429, 'rate_limited')
      expect(harness.smhCalls()).toEqual([])
    }
    expect((await harness.request('GET', '/v1/uploads/x', { as: bob })).status).toBe(404)
    // Begins are counted apart.
    await harness.begin(good)
  })

  test('counts users named like JavaScript properties', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '1' } })
    for (const sub of ['constructor', '__proto__', 'toString']) {
      await harness.begin(good, { as: { sub } })
      const again = await harness.request('POST', '/v1/uploads', { body: good, as: { sub } })
      await expectProblem(again, 429, 'rate_limited')
    }
  })

  test('0 disables the limit', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '0' } })
    const answers = await Promise.all(
      Array.from({ length: 150 }, () => harness.request('POST', '/v1/uploads', { body: good })),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    const statuses = Array.from({ length: 250 }, () => harness.request('GET', '/v1/uploads/x'))
    const found = await Promise.all(statuses)
    expect(new Set(found.map(({ status }) => status))).toEqual(new Set([404]))
  })
})

describe('MAX_IN_FLIGHT', () => {
  test('a request above the limit gets 503 at once, and a later request is served', async () => {
    const harness = await startHarness({
      environment: { MAX_IN_FLIGHT: '1', UPSTREAM_TIMEOUT_SECONDS: '1' },
    })
    harness.emulator.controls.force('begin-multipart', { delayMs: 3_600_000 })
    const first = harness.request('POST', '/v1/uploads', { body: good })
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(1)
    const second = await harness.request('POST', '/v1/uploads', { body: good })
    expect(second.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expectProblem(second, 503, 'overloaded')
    expect((await harness.request('GET', '/livez')).status).toBe(200)
    expect((await first).status).toBe(504)
    expect((await harness.request('POST', '/v1/uploads', { body: good })).status).toBe(201)
  })

  test('requests without a valid token get 401 while all permits are in use', async () => {
    const harness = await startHarness({
      environment: { MAX_IN_FLIGHT: '1', UPSTREAM_TIMEOUT_SECONDS: '1' },
    })
    harness.emulator.controls.force('begin-multipart', { delayMs: 3_600_000 })
    const first = harness.request('POST', '/v1/uploads', { body: good })
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(1)
    const forged = { authorization: `Bearer ${await harness.issuer.forgedToken(ann)}` }
    for (const headers of [{}, { authorization: 'Bearer a.b.c' }, forged]) {
      const response = await harness.request('POST', '/v1/uploads', {
        as: null,
        headers,
        body: good,
      })
      expect(response.status).toBe(401)
    }
    await first
  })

  test('when all permits are in use, the permit of a request that never ends is released', async () => {
    const harness = await startHarness({ environment: { MAX_IN_FLIGHT: '1' } })
    harness.emulator.controls.force('begin-multipart', { delayMs: 3_600_000 })
    const caller = new AbortController()
    const { signal } = caller
    const first = harness.request('POST', '/v1/uploads', { body: good, signal })
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(1)
    const begin = () => harness.request('POST', '/v1/uploads', { body: good })
    // Three calls of ten seconds, and a confirm of sixty.
    harness.advance(89_000)
    expect((await begin()).status).toBe(503)
    harness.advance(1_000)
    expect((await begin()).status).toBe(201)
    caller.abort()
    await expect(first).rejects.toThrow()
  })

  test('one user gets at most half of the permits', async () => {
    const harness = await startHarness({
      environment: { MAX_IN_FLIGHT: '4', UPSTREAM_TIMEOUT_SECONDS: '1' },
    })
    const { controls } = harness.emulator
    controls.force('begin-multipart', { delayMs: 3_600_000, times: 2 })
    const begin = (as: DemoUser) => harness.request('POST', '/v1/uploads', { as, body: good })
    const held = [begin(ann), begin(ann)]
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(2)

    const third = await begin(ann)
    expect(third.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expectProblem(third, 503, 'overloaded')
    expect((await begin(bob)).status).toBe(201)

    const answers = await Promise.all(held)
    expect(answers.map(({ status }) => status)).toEqual([504, 504])
    expect((await begin(ann)).status).toBe(201)
  })
})
