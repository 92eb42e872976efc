import { connect } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import { startGateway } from '../../src/gateway/runtimes/node/start.ts'
import { ann, startHarness } from '../support/harness.ts'

/** A gateway of one place, with next to no patience for requests that are slow to arrive. */
async function startImpatient(patience: { requestTimeoutMs: number } | { bodyTimeoutMs: number }) {
  const harness = await startHarness()
  const logged: object[] = []
  const on = await startGateway({
    config: parseConfig({ ...environmentOf(harness), PORT: '0', MAX_IN_FLIGHT: '1' }),
    log: (level, record) => logged.push({ level, ...record }),
    ...patience,
  })
  onTestFinished(() => on.close())
  return { harness, on, logged }
}

/** Says `start`, then one of `drops` every few milliseconds, and gives the answer it is cut off with. */
function trickle(url: string, start: string, drop = '') {
  const { hostname, port } = new URL(url)
  return new Promise<string>((resolve) => {
    let received = ''
    const socket = connect(Number(port), hostname).setEncoding('latin1')
    const drip = setInterval(() => drop && socket.write(drop), 5)
    socket.on('data', (chunk: string) => {
      received += chunk
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearInterval(drip)
      resolve(received)
    })
    if (start) socket.write(start)
  })
}

const head = 'POST /v1/uploads HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n'

test.each([
  ['nothing at all', '', ''],
  ['half a line', 'POST /v1/up', ''],
  ['half of its headers', head, ''],
  ['its headers without end', head, 'x-a: b\r\n'],
  ['one header without end', `${head}x-a: `, 'b'],
])('slow senders: a client that sends %s is cut off', async (_, start, drop) => {
  const { harness, on, logged } = await startImpatient({ requestTimeoutMs: 200 })
  expect(await trickle(on.url, start, drop)).toMatch(/^(HTTP\/1\.1 4(08|31) |$)/)
  expect(logged).toEqual([])
  expect(harness.smhCalls()).toEqual([])
})

test.each([
  ['nothing', 'Content-Length: 50\r\n\r\n', ''],
  ['half', 'Content-Length: 50\r\n\r\n{"path":', ''],
  ['blanks without end', 'Content-Length: 65536\r\n\r\n', ' '],
  ['chunks without end', 'Transfer-Encoding: chunked\r\n\r\n', '1\r\n \r\n'],
  ['a chunk that does not come', 'Transfer-Encoding: chunked\r\n\r\nff\r\n', ''],
])(
  'slow body: when %s arrives, the request is rejected and its connection closed',
  async (_, start, drop) => {
    const { harness, on, logged } = await startImpatient({ bodyTimeoutMs: 50 })
    const authorization = `Authorization: Bearer ${await harness.issuer.token(ann)}\r\n`
    expect(await trickle(on.url, head + authorization + start, drop)).toMatch(/^HTTP\/1\.1 400 /)
    expect(logged).toContainEqual(
      expect.objectContaining({
        level: 'info',
        operation: 'beginUpload',
        code: 'invalid_request',
        reason: 'body_timeout',
      }),
    )
    expect(harness.smhCalls()).toEqual([])
  },
)

test.each([
  ['while its token is verified', false],
  ['while its body is read', true],
])('body: a client that leaves %s ends its request at once', async (_, isVerified) => {
  const { harness, on, logged } = await startImpatient({ requestTimeoutMs: 60_000 })
  const authorization = `Bearer ${await harness.issuer.token(ann)}`
  const { hostname, port } = new URL(on.url)
  const socket = connect(Number(port), hostname).on('error', () => undefined)
  // Refused for its body, but its token is cached then.
  if (isVerified)
    await fetch(`${on.url}/v1/uploads`, { method: 'POST', headers: { authorization } })
  socket.write(`${head}Authorization: ${authorization}\r\nContent-Length: 50\r\n\r\n{"path":`)
  // When these have been answered, the gateway reads the body.
  if (isVerified) for (const _ of [1, 2]) await fetch(`${on.url}/livez`)
  socket.end()
  const ended = expect.objectContaining({
    operation: 'beginUpload',
    code: 'invalid_request',
    reason: 'client_disconnected',
  })
  await vi.waitFor(() => expect(logged).toContainEqual(ended), { timeout: 10_000 })
  expect(harness.smhCalls()).toEqual([])
})

test.each([
  ['GET /livez', 200],
  ['POST /v1/uploads', 401],
  ['POST /nothing', 404],
])('body: %s gets its response before the body arrives', async (line, status) => {
  const { harness, on } = await startImpatient({ requestTimeoutMs: 200 })
  const start = `${line} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n`
  expect(await trickle(on.url, start, '1\r\n \r\n')).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  expect(harness.smhCalls()).toEqual([])
})
