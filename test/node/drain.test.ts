import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { startEmulator } from '../../src/emulator/start.ts'
import { knock, run } from '../support/process.ts'

/** The gateway as a process, and a way to begin uploads over connections that are kept. */
async function startProcess() {
  const [emulator, issuer] = await Promise.all([startEmulator(), startDemoIssuer()])
  const agent = new Agent({ keepAlive: true })
  onTestFinished(async () => {
    agent.destroy()
    await Promise.all([emulator.close(), issuer.close()])
  })
  const gateway = run('src/gateway/runtimes/node/main.ts', {
    ...environmentOf({ emulator, issuer }),
    PORT: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    LOG_LEVEL: 'info',
  })
  const listening = await gateway.line((line) => line.includes('"event":"listening"'))
  const url = JSON.parse(listening).address as string
  const tokens = await Promise.all(
    Array.from({ length: 10 }, (_, user) => issuer.token({ sub: `user-${user}` })),
  )
  let asked = 0

  async function begin() {
    asked += 1
    const number = asked
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${tokens[number % tokens.length]}`,
        'content-type': 'application/json',
      }
      httpRequest(`${url}/v1/uploads`, { method: 'POST', agent, headers }, resolve)
        .once('error', reject)
        .end(JSON.stringify({ path: `file-${number}.txt`, size: 1 }))
    })
    const body = JSON.parse(await text(response)) as Record<string, unknown>
    return { status: response.statusCode, connection: response.headers.connection, body }
  }
  return { emulator, gateway, url, begin }
}

test('drain: after SIGTERM forty requests in progress get whole responses, and no other is accepted', {
  timeout: 30_000,
}, async () => {
  const { emulator, gateway, url, begin } = await startProcess()
  await begin()
  emulator.controls.clearCalls()
  emulator.controls.force('begin-multipart', { delayMs: 1000, times: 40 })
  const held = Promise.all(Array.from({ length: 40 }, begin))
  const reached = () =>
    emulator.controls.calls().filter(({ route }) => route === 'begin-multipart').length
  await expect.poll(reached, { timeout: 10_000, interval: 5 }).toBe(40)
  gateway.child.kill('SIGTERM')
  await gateway.line((line) => line.includes('"event":"stopping"'))
  await expect.poll(() => knock(url)).toBe('ECONNREFUSED')
  for (const { status, connection, body } of await held) {
    expect([status, connection]).toEqual([201, 'close'])
    expect(Object.keys(body)).toEqual(['domain', 'path', 'uploadId', 'headers', 'confirmKey'])
  }
  expect(await gateway.ended).toBe(0)
  expect(gateway.errors()).toBe('')
})

test('SIGTERM: no request on an open connection was lost', {
  timeout: 30_000,
}, async () => {
  const { gateway, begin } = await startProcess()
  let answered = 0
  const lost: unknown[] = []
  async function keepAsking() {
    for (;;) {
      try {
        const { status } = await begin()
        expect(status).toBe(201)
        answered += 1
      } catch (error) {
        if ((error as { code?: string }).code !== 'ECONNREFUSED') lost.push(error)
        return
      }
    }
  }
  const callers = Promise.all(Array.from({ length: 20 }, keepAsking))
  await expect.poll(() => answered, { timeout: 20_000, interval: 5 }).toBeGreaterThan(100)
  gateway.child.kill('SIGTERM')
  await callers
  expect(lost).toEqual([])
  expect(await gateway.ended).toBe(0)
  const written = gateway.output().match(/"operation":"beginUpload".*"status":201/g)
  expect(written).toHaveLength(answered)
})
