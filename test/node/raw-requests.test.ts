import { METHODS } from 'node:http'
import { expect, test } from 'vitest'
import { ann, type Harness, startHarness } from '../support/harness.ts'
import { readAnswer, sendRaw } from '../support/raw-http.ts'

const text = '{"path":"a.txt","size":5}'

/** A begin that would succeed, with other lines and another body if told. */
async function send(
  harness: Harness,
  lines: string[],
  body = text,
  line = 'POST /v1/uploads HTTP/1.1',
) {
  const request = [
    line,
    'Host: gateway',
    'Connection: close',
    'Content-Type: application/json',
    `Authorization: Bearer ${await harness.issuer.token(ann)}`,
    ...lines,
    '',
    body,
  ]
  return readAnswer(await sendRaw(harness.gateway.url, [request.join('\r\n')]))
}

const length = `Content-Length: ${text.length}`
const chunked = 'Transfer-Encoding: chunked'
const inChunks = `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`

test.each<[how: string, lines: string[], body?: string]>([
  ['of known length', [length]],
  ['in chunks', [chunked], inChunks],
  ['in chunks with extensions', [chunked], inChunks.replace('\r\n', ';a="b"\r\n')],
])('raw request: %s a begin succeeds', async (_, lines, body) => {
  const harness = await startHarness()
  expect(await send(harness, lines, body)).toMatchObject({ status: 201 })
})

test.each<[how: string, lines: string[], body?: string]>([
  ['both length and chunks', [length, chunked], inChunks],
  ['chunks and a length of nothing', [chunked, 'Content-Length: 0'], inChunks],
  ['two lengths', [length, 'Content-Length: 5']],
  ['two lengths in one', [`${length}, 5`]],
  ['a length with a sign', [`Content-Length: +${text.length}`]],
  ['a length below nothing', ['Content-Length: -1']],
  ['a length in hex', ['Content-Length: 0x19']],
  ['a length that no number holds', ['Content-Length: 99999999999999999999']],
  ['a length that is longer than a body may be', ['Content-Length: 65537']],
  ['chunks twice', [chunked, chunked], inChunks],
  ['chunks within something', ['Transfer-Encoding: gzip'], inChunks],
  ['gzip before the chunks', ['Transfer-Encoding: gzip, chunked'], inChunks],
  ['gzip and chunks in two lines', ['Transfer-Encoding: gzip', chunked], inChunks],
  ['a second host', [length, 'Host: gateway']],
  ['another host in lower case', [length, 'host: elsewhere']],
  ['chunks with a tab', ['Transfer-Encoding:\tchunked, identity'], inChunks],
  ['chunks of a length that is none', [chunked], 'zz\r\nx\r\n0\r\n\r\n'],
  ['a chunk of a length that no number holds', [chunked], 'ffffffffffffffffff\r\n'],
  ['chunks without a length', [chunked], '\r\n'],
  ['lines that end with LF alone', [`${length}\nX-Smh-Meta-A: b`]],
  ['a header of CR alone', [`${length}\rX-Smh-Meta-A: b`]],
  ['a folded header', [length, 'X-Smh-Meta-A: a', ' b']],
  ['a header without a name', [length, ': a']],
  ['a header whose name has a blank', [length, 'X-Smh-Meta A: b']],
  ['a value with NUL', [length, 'X-Smh-Meta-A: a\0b']],
  ['a value with DEL', [length, 'X-Smh-Meta-A: a\x7fb']],
  ['a value of the upper half', [length, 'X-Smh-Meta-A: \xff']],
  ['an encoded body', [length, 'Content-Encoding: gzip'], '\x1f\x8b\x08'.padEnd(text.length)],
  ['an unknown expectation', [length, 'Expect: a-miracle']],
])('raw request: %s is rejected without a call to SMH', async (_, lines, body) => {
  const harness = await startHarness()
  const { status } = await send(harness, lines, body)
  expect(status).toBeGreaterThanOrEqual(400)
  expect(status).toBeLessThan(500)
  expect(harness.smhCalls()).toEqual([])
  expect((await harness.request('GET', '/v1/uploads/x')).status).toBe(404)
})

test('request smuggling: a trailer after a chunked body is not a header', async () => {
  const harness = await startHarness()
  const trailers = 'X-Smh-Meta-A: b\r\nAuthorization: Basic YTpi\r\n\r\n'
  const answer = await send(
    harness,
    [chunked, 'Trailer: X-Smh-Meta-A'],
    inChunks.slice(0, -2) + trailers,
  )
  expect(answer.status).toBe(201)
  expect(harness.smhCalls('begin-multipart').at(-1)?.headers).not.toHaveProperty('x-smh-meta-a')
})

test('header injection: a value adds no header to the request to SMH', async () => {
  const harness = await startHarness()
  const value = 'a%0d%0ax-smh-meta-b: c\\r\\nx-smh-meta-d: e'
  const answer = await send(harness, [length, `X-Smh-Meta-A: ${value}`, 'X-Smh-Meta-E: f, g'])
  expect(answer.status).toBe(201)
  const { headers } = harness.smhCalls('begin-multipart')[0] ?? { headers: {} }
  const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-smh'))
  expect(metadata).toEqual([
    ['x-smh-meta-a', value],
    ['x-smh-meta-e', 'f, g'],
  ])
})

test('request smuggling: a second request inside a body is not served', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
  harness.emulator.controls.clearCalls()
  const token = await harness.issuer.token(ann)
  const inner = `DELETE /v1/uploads/${confirmKey} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`
  const outer = [
    'GET /livez HTTP/1.1',
    'Host: gateway',
    `Content-Length: ${inner.length}`,
    'Connection: close',
    '',
    inner,
  ]
  const received = await sendRaw(harness.gateway.url, [outer.join('\r\n')])
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200'])
  expect(harness.smhCalls()).toEqual([])
})

test('pipelining: each request gets its own response', async () => {
  const harness = await startHarness()
  const ask = async (sub: string, id: string, last = '') => {
    const authorization = `Authorization: Bearer ${await harness.issuer.token({ sub })}`
    const head = ['GET /v1/uploads/x HTTP/1.1', 'Host: gateway', authorization]
    return [...head, `X-Request-Id: ${id}`, ...(last && [last]), '', ''].join('\r\n')
  }
  const bad = 'GET /v1/uploads/x HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: two\r\n\r\n'
  const pieces = [await ask('ann', 'one'), bad, await ask('bob', 'three', 'Connection: close')]
  const received = await sendRaw(harness.gateway.url, [pieces.join('')])
  expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual([
    'HTTP/1.1 404',
    'HTTP/1.1 401',
    'HTTP/1.1 404',
  ])
  expect(received.match(/(?<=x-request-id: )\w+/gi)).toEqual(['one', 'two', 'three'])
})

test.each([
  'POST //v1/uploads HTTP/1.1',
  'POST /v1//uploads HTTP/1.1',
  'POST /V1/uploads HTTP/1.1',
  'POST /v1%2fuploads HTTP/1.1',
  'POST /v1/uploads%00 HTTP/1.1',
  'POST /v1/uploads/ HTTP/1.1',
  'POST /v1/uploads;a=b HTTP/1.1',
  'POST \\v1\\uploads HTTP/1.1',
  'POST /docs/..\\v1\\uploads HTTP/1.1',
  'POST * HTTP/1.1',
  'POST v1/uploads HTTP/1.1',
  'POST file:///v1/uploads HTTP/1.1',
  'POST /v1/uploads HTTP/9.9',
  'POST /v1/up loads HTTP/1.1',
  'POST /v1/uploads\xff HTTP/1.1',
  'FOO /v1/uploads HTTP/1.1',
  'CONNECT gateway:443 HTTP/1.1',
  'PRI * HTTP/2.0',
])('raw request: the request line %j is rejected', async (line) => {
  const harness = await startHarness()
  const { status } = await send(harness, [length], text, line)
  // Nothing at all is the server's answer to CONNECT.
  if (!Number.isNaN(status)) expect(Math.floor(status / 100)).toBe(4)
  expect(harness.smhCalls()).toEqual([])
  expect((await harness.request('GET', '/livez')).status).toBe(200)
})

test.each([
  ['a second host', 'Host: elsewhere'],
  ['gzip before the chunks', 'Transfer-Encoding: gzip, chunked'],
])('raw request: %s is rejected, and the connection is closed', async (_, line) => {
  const harness = await startHarness()
  const request = `GET /livez HTTP/1.1\r\nHost: gateway\r\n${line}\r\n\r\n0\r\n\r\n`
  const { status, headers } = readAnswer(await sendRaw(harness.gateway.url, [request]))
  expect([status, headers.get('connection')]).toEqual([400, 'close'])
})

test('methods: every HTTP method but CONNECT gets a response without 5xx, at every address', async () => {
  const harness = await startHarness({ environment: { CORS_ORIGINS: 'https://app.example.com' } })
  for (const method of METHODS.filter((name) => name !== 'CONNECT')) {
    for (const path of [
      '/v1/uploads',
      '/v1/uploads/x',
      '/v1/uploads/x/renew',
      '/livez',
      '/docs',
      '/',
    ]) {
      const { status, headers } = await send(
        harness,
        ['Content-Length: 2'],
        '{}',
        `${method} ${path} HTTP/1.1`,
      )
      expect([method, path, status < 500]).toEqual([method, path, true])
      expect([method, path, headers.get('x-content-type-options')]).toEqual([
        method,
        path,
        'nosniff',
      ])
      if (path.startsWith('/v1')) expect(headers.get('cache-control')).toBe('no-store')
    }
  }
  expect(harness.smhCalls()).toEqual([])
})
