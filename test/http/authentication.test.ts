import { describe, expect, test } from 'vitest'
import { endpoints } from '../../src/gateway/routes/index.ts'
import { ann, type Harness, type RequestOptions, startHarness } from '../support/harness.ts'
import { expectProblem, withoutRequestId } from '../support/problems.ts'

test('authentication: when every token has another audience, the log names JWT_AUDIENCE', async () => {
  const harness = await startHarness({ environment: { JWT_AUDIENCE: 'another-service' } })
  const send = (sub: string) => harness.request('GET', '/v1/uploads/x', { as: { sub } })
  for (let user = 0; user < 12; user += 1) {
    await expectProblem(await send(`user-${user}`), 401, 'invalid_token')
  }
  const refused = (await harness.records()).filter(({ event }) => event === 'tokens_refused')
  expect(refused).toMatchObject([{ level: 'error', reason: 'audience', count: 10 }])
  expect(refused[0]?.advice).toContain('JWT_AUDIENCE')
})

/** Every operation under /v1 as a call that would succeed, given a token. */
const operations = endpoints.map(({ route }) => ({
  id: route.operationId as string,
  method: route.method.toUpperCase(),
  pathWith: (confirmKey: string) => route.path.replace('{confirmKey}', confirmKey),
  wanted: route.request?.body?.required
    ? {
        path: 'b.txt',
        size: 5,
        ...(route.operationId === 'instantUpload' && { beginningHash: 'a'.repeat(64) }),
      }
    : undefined,
}))

describe.each(operations)('authentication: $id', ({ method, pathWith, wanted }) => {
  async function call(harness: Harness, options: RequestOptions) {
    const owner = { as: { sub: 'ann', scope: 'upload' } }
    const { confirmKey } = await harness.uploadParts('a.txt', [new Uint8Array(3)], owner)
    harness.emulator.controls.clearCalls()
    return harness.request(method, pathWith(confirmKey), { body: wanted, ...options })
  }

  test('serves a user with a valid token', async () => {
    const harness = await startHarness()
    const response = await call(harness, { as: ann })
    expect([200, 201, 204]).toContain(response.status)
  })

  test.each([
    ['no header', {}],
    ['another scheme', { authorization: 'Basic YW5uOnNlY3JldA==' }],
    ['an empty header', { authorization: '' }],
  ])('without a bearer token returns 401: %s', async (_, headers) => {
    const harness = await startHarness()
    const response = await call(harness, { as: null, headers: headers as Record<string, string> })
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="uploads"')
    await expectProblem(response, 401, 'missing_token')
    expect(harness.smhCalls()).toEqual([])
  })

  test('every kind of invalid token gets the same response', async () => {
    const harness = await startHarness()
    const { issuer } = harness
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
    const claims = { iss: issuer.issuer, aud: issuer.audience, sub: 'ann', exp: 4e9 }
    const bad = [
      'x',
      await issuer.forgedToken(ann),
      await issuer.token({ ...ann, expiresInSeconds: -60 }),
      await issuer.token({ ...ann, claims: { aud: 'others' } }),
      await issuer.token({ ...ann, claims: { iss: 'https://issuer.example' } }),
      await issuer.token({ ...ann, claims: { exp: undefined } }),
      await issuer.token({ ...ann, claims: { sub: '' } }),
      await issuer.token({ ...ann, claims: { nbf: 4e9 } }),
      `${encode({ alg: 'none' })}.${encode(claims)}.`,
      `${(await issuer.token(ann)).slice(0, -6)}AAAAAA`,
    ]
    const answers = new Set<string>()
    for (const token of bad) {
      const headers = { authorization: `Bearer ${token}` }
      const response = await call(harness, { as: null, headers })
      const challenge = 'Bearer realm="uploads", error="invalid_token"'
      expect(response.headers.get('www-authenticate')).toBe(challenge)
      answers.add(await withoutRequestId(response))
      expect(harness.smhCalls()).toEqual([])
    }
    expect([...answers]).toEqual([expect.stringMatching(/^401 .*"code":"invalid_token"/)])
  })

  test('a token without the required scope returns 403', async () => {
    const harness = await startHarness({ environment: { JWT_REQUIRED_SCOPE: 'upload' } })
    const response = await call(harness, { as: { sub: 'ann', scope: 'read uploads' } })
    const challenge = 'Bearer realm="uploads", error="insufficient_scope"'
    expect(response.headers.get('www-authenticate')).toBe(challenge)
    await expectProblem(response, 403, 'insufficient_scope')
    expect(harness.smhCalls()).toEqual([])
    const good = await call(harness, { as: { sub: 'ann', scope: 'read upload' } })
    expect([200, 201, 204]).toContain(good.status)
  })

  test('a request without a token is refused before its body is read', async () => {
    const harness = await startHarness()
    const body = 'x'.repeat(64 * 1024 + 1)
    // fetch sends none with GET.
    if (method === 'GET') return
    await expectProblem(await call(harness, { as: null, body }), 401, 'missing_token')
  })

  test("returns 503 while the issuer's keys are unavailable", async () => {
    const harness = await startHarness()
    const on = await harness.startAnother({})
    harness.issuer.down(true)
    const headers = { authorization: `Bearer ${await harness.issuer.token(ann)}` }
    const response = await harness.request(method, pathWith('x'), { on, headers, body: wanted })
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
    await expectProblem(response, 503, 'upstream_unavailable')
    expect(harness.smhCalls()).toEqual([])
  })
})
