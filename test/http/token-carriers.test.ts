import { expect, test } from 'vitest'
import { startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'
import { readAnswer, sendRaw } from '../support/raw-http.ts'

/** Tokens here are good; it is the way in which they come. */

const body = { path: 'a.txt', size: 5 }

test.each<[where: string, path: string, headers: (token: string) => Record<string, string>]>([
  ['in the query', '/v1/uploads?access_token=', () => ({})],
  ['in the query under another name', '/v1/uploads?authorization=Bearer%20', () => ({})],
  ['in a cookie', '/v1/uploads', (token) => ({ cookie: `access_token=${token}` })],
  [
    'in another header',
    '/v1/uploads',
    (token) => ({ 'x-forwarded-authorization': `Bearer ${token}`, 'x-access-token': token }),
  ],
  ['with another scheme', '/v1/uploads', (token) => ({ authorization: `DPoP ${token}` })],
  ['without a scheme', '/v1/uploads', (token) => ({ authorization: token })],
])('token: a valid token %s is ignored', async (_, path, headers) => {
  const harness = await startHarness()
  const token = await harness.issuer.token({ sub: 'ann' })
  const at = path.includes('?') ? path + token : path
  const response = await harness.request('POST', at, { as: null, headers: headers(token), body })
  await expectProblem(response, 401, 'missing_token')
  expect(harness.smhCalls()).toEqual([])
  expect(JSON.stringify(await harness.records())).not.toContain(token)
})

test('token: a valid token in a form body is ignored', async () => {
  const harness = await startHarness()
  const response = await harness.request('POST', '/v1/uploads', {
    as: null,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `access_token=${await harness.issuer.token({ sub: 'ann' })}`,
  })
  await expectProblem(response, 401, 'missing_token')
})

test.each<[how: string, lines: (good: string, bad: string) => string[]]>([
  ['twice', (good) => [`Authorization: Bearer ${good}`, `Authorization: Bearer ${good}`]],
  [
    'before an invalid one',
    (good, bad) => [`Authorization: Bearer ${good}`, `authorization: Bearer ${bad}`],
  ],
  [
    'after an invalid one',
    (good, bad) => [`AUTHORIZATION: Bearer ${bad}`, `Authorization: Bearer ${good}`],
  ],
  ['after a password', (good) => ['Authorization: Basic YTpi', `Authorization: Bearer ${good}`]],
  ['before a password', (good) => [`Authorization: Bearer ${good}`, 'Authorization: Basic YTpi']],
  ['in one line with another', (good, bad) => [`Authorization: Bearer ${good}, Bearer ${bad}`]],
  ['on a folded line', (good) => ['Authorization: Bearer', ` ${good}`]],
  ['after a tab', (good) => [`Authorization: Bearer\t${good}`]],
  ['before a NUL', (good) => [`Authorization: Bearer ${good}\0`]],
  ['with a blank before the colon', (good) => [`Authorization : Bearer ${good}`]],
])('token: a valid token %s is refused', async (_, lines) => {
  const harness = await startHarness()
  const good = await harness.issuer.token({ sub: 'ann' })
  const bad = await harness.issuer.forgedToken({ sub: 'bob' })
  const text = JSON.stringify(body)
  const request = [
    'POST /v1/uploads HTTP/1.1',
    `Host: ${new URL(harness.gateway.url).host}`,
    'Content-Type: application/json',
    `Content-Length: ${text.length}`,
    'Connection: close',
    ...lines(good, bad),
    '',
    text,
  ]
  const { status } = readAnswer(await sendRaw(harness.gateway.url, [request.join('\r\n')]))
  // 400 is the parser's word, before the gateway is asked.
  expect([400, 401]).toContain(status)
  expect(harness.smhCalls()).toEqual([])
})

test.each([1, 10])(
  'token: %d MB of header is refused, and the next request is served',
  async (size) => {
    const harness = await startHarness()
    const good = await harness.issuer.token({ sub: 'ann' })
    const host = `Host: ${new URL(harness.gateway.url).host}`
    const lines = ['GET /v1/uploads/x HTTP/1.1', host, 'Connection: close', '']
    const header = `Authorization: Bearer ${good}${'A'.repeat(size * 1024 * 1024)}\r\n\r\n`
    const answer = await sendRaw(harness.gateway.url, [lines.join('\r\n'), header])
    // A client that still sends when it is refused may see the connection reset instead of a response.
    if (answer !== '') expect([400, 401, 431]).toContain(readAnswer(answer).status)
    expect((await harness.request('GET', '/v1/uploads/x')).status).toBe(404)
  },
)
