import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { DemoUser } from '../../src/demo/demo-users.ts'
import { ann, bob, type Harness, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'
import { readAnswer } from '../support/raw-http.ts'

const good = { path: 'a.txt', size: 5 }

/** Sends the head of a begin and half of its body, and gives the response when the connection ends. */
async function sendHalf(
  harness: Harness,
  as: DemoUser,
  framing = 'Content-Length: 50\r\n\r\n{"pa',
) {
  const { hostname, port } = new URL(harness.gateway.url)
  const token = await harness.issuer.token(as)
  const socket = connect(Number(port), hostname).setEncoding('latin1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  let received = ''
  socket.on('data', (chunk: string) => {
    received += chunk
  })
  const response = new Promise<string>((resolve) => {
    socket.on('close', () => resolve(received))
  })
  socket.write(
    `POST /v1/uploads HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/json\r\n${framing}`,
  )
  return { socket, response }
}

test('slow bodies: incomplete bodies of two users do not block other users', async () => {
  const harness = await startHarness({ environment: { MAX_IN_FLIGHT: '4' } })
  const begin = (as: DemoUser) => harness.request('POST', '/v1/uploads', { as, body: good })
  const held = await Promise.all([ann, ann, bob, bob].map((as) => sendHalf(harness, as)))
  // Half of MAX_IN_FLIGHT bodies of one user are received at once.
  for (const as of [ann, bob]) {
    await expect.poll(async () => (await begin(as)).status).toBe(503)
  }
  await expectProblem(await begin(ann), 503, 'overloaded')
  for (let times = 0; times < 8; times += 1) {
    expect((await begin({ sub: `user-${times}` })).status).toBe(201)
  }
  // A request without a body needs no room for one.
  expect((await harness.request('GET', '/v1/uploads/x')).status).toBe(404)
  for (const { socket } of held) socket.destroy()
  for (const as of [ann, bob]) {
    await expect.poll(async () => (await begin(as)).status).toBe(201)
  }
})

test.each([
  ['a body of which half arrives', 'Content-Length: 50\r\n\r\n{"pa'],
  ['a body of which nothing arrives', 'Content-Length: 50\r\n\r\n'],
  ['a body of unknown length', 'Transfer-Encoding: chunked\r\n\r\n4\r\n{"pa\r\n'],
])('slow bodies: %s is refused after the timeout, and the log says why', async (_, framing) => {
  const harness = await startHarness({ bodyTimeoutMs: 200 })
  const { socket, response } = await sendHalf(harness, ann, framing)
  await expect
    .poll(async () => (await harness.records()).at(-1), { timeout: 10_000 })
    .toMatchObject({ level: 'info', code: 'invalid_request', reason: 'body_timeout' })
  socket.end()
  const { status, body } = readAnswer(await response)
  expect(status).toBe(400)
  expect(body).toContain('The body did not arrive in time.')
  expect(harness.smhCalls()).toEqual([])
})
