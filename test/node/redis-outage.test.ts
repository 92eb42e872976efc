import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import { startGateway } from '../../src/gateway/runtimes/node/start.ts'
import { freePort } from '../support/free-port.ts'
import { startHarness } from '../support/harness.ts'
import { hasRedis, startRedis } from '../support/redis-server.ts'

/** Generous: a machine under load still passes, and a queue of requests or a timeout of seconds does not. */
const PROMPT_MS = 3_000

/** Two gateways that share a Redis. */
async function startGateways(more: Record<string, string> = {}) {
  const redis = await startRedis()
  onTestFinished(redis.kill)
  const environment = { REDIS_URL: redis.url, ...more }
  const harness = await startHarness({ environment })
  const other = await harness.startAnother(environment)
  const events = async () =>
    (await harness.records()).map(({ event }) => event).filter((event) => /^ledger/.test(event))

  /** Begins once on each gateway. Fails when a request fails or waits long. */
  async function beginOnBoth() {
    for (const on of [harness.gateway, other]) {
      const startedAt = performance.now()
      await harness.begin({ path: 'a.txt', size: 1 }, { on })
      expect(performance.now() - startedAt).toBeLessThan(PROMPT_MS)
    }
  }

  /** Waits until both gateways use Redis again. */
  async function shared() {
    const isBack = async () => {
      await beginOnBoth()
      return (await events()).filter((event) => event === 'ledger_available').length
    }
    const polled = expect.poll(isBack, { timeout: 10_000, interval: 100 })
    await polled.toBeGreaterThanOrEqual(2)
  }

  async function listed(on = harness.gateway): Promise<string[]> {
    const response = await harness.request('GET', '/v1/uploads', { on })
    const { uploads } = (await response.json()) as { uploads: { confirmKey: string }[] }
    return uploads.map(({ confirmKey }) => confirmKey)
  }

  return { ...harness, redis, other, events, beginOnBoth, shared, listed }
}

describe.skipIf(!hasRedis)('a gateway with Redis', () => {
  test('two instances share the list, the limit of open uploads and the Idempotency-Keys', async () => {
    const { begin, other, listed, request } = await startGateways({ UPLOAD_MAX_OPEN: '2' })
    const headers = { 'idempotency-key': 'key-1' }
    const first = await begin({ path: 'a.txt', size: 1 }, { headers })
    const repeated = await begin({ path: 'a.txt', size: 1 }, { headers, on: other })
    expect(repeated.confirmKey).toBe(first.confirmKey)
    const second = await begin({ path: 'b.txt', size: 1 }, { on: other })
    expect(await listed()).toEqual([second.confirmKey, first.confirmKey])
    expect(await listed(other)).toEqual([second.confirmKey, first.confirmKey])
    const body = { path: 'c.txt', size: 1 }
    expect((await request('POST', '/v1/uploads', { body })).status).toBe(429)
    await request('DELETE', `/v1/uploads/${first.confirmKey}`, { on: other })
    expect((await request('POST', '/v1/uploads', { body })).status).toBe(201)
  })

  test('Redis dies and starts again: no request fails, and the instances share again', async () => {
    const { redis, events, beginOnBoth, shared, listed, other, begin } = await startGateways()
    await beginOnBoth()
    expect(await events()).toEqual([])
    await redis.kill()
    for (let times = 0; times < 3; times += 1) await beginOnBoth()
    expect(await events()).toEqual(['ledger_unavailable', 'ledger_unavailable'])
    const meanwhile = await listed()
    expect(meanwhile).toHaveLength(3)
    await redis.restart()
    await shared()
    const after = await begin({ path: 'b.txt', size: 1 })
    expect(await listed(other)).toContain(after.confirmKey)
    // What began meanwhile is still there, on its instance.
    expect(await listed()).toEqual(expect.arrayContaining(meanwhile))
  })

  test('Redis hangs: no request fails or waits long, and the instances share again', async () => {
    const { redis, events, beginOnBoth, shared, listed, other, begin } = await startGateways()
    await beginOnBoth()
    redis.suspend()
    const startedAt = performance.now()
    const paths = Array.from({ length: 50 }, (_, index) => `${index}.txt`)
    await Promise.all(paths.map((path) => begin({ path, size: 1 })))
    expect(performance.now() - startedAt).toBeLessThan(PROMPT_MS)
    await beginOnBoth()
    expect(await events()).toEqual(['ledger_unavailable', 'ledger_unavailable'])
    redis.resume()
    await shared()
    const after = await begin({ path: 'b.txt', size: 1 })
    expect(await listed(other)).toContain(after.confirmKey)
  })

  test('the metric says whether Redis answers, and Redis is found again without a request', async () => {
    const { redis, emulator, issuer } = await startGateways()
    const gateway = await startGateway({
      config: parseConfig({
        ...environmentOf({ emulator, issuer }),
        ...{ PORT: '0', ADMIN_PORT: '0', REDIS_URL: redis.url },
      }),
      log: () => undefined,
      idleMs: 0,
    })
    onTestFinished(() => gateway.close())
    const available = async () => {
      const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
      return /^gateway_ledger_available (\d)$/m.exec(text)?.[1]
    }
    expect(await available()).toBe('1')
    await redis.kill()
    const headers = { authorization: `Bearer ${await issuer.token({ sub: 'ann' })}` }
    expect((await fetch(`${gateway.url}/v1/uploads`, { headers })).status).toBe(200)
    expect(await available()).toBe('0')
    await redis.restart()
    await expect.poll(available, { timeout: 10_000 }).toBe('1')
  })

  test('a Redis that becomes a replica refuses writes, and counts as away until it is none', async () => {
    const { redis, events, beginOnBoth, shared } = await startGateways()
    await redis.command('REPLICAOF', '127.0.0.1', String(await freePort()))
    await beginOnBoth()
    expect(await events()).toEqual(['ledger_unavailable', 'ledger_unavailable'])
    await redis.command('REPLICAOF', 'NO', 'ONE')
    await shared()
  })

  test('Redis closes the connection while no request runs: the log stays silent', async () => {
    const { redis, events, beginOnBoth, listed, other } = await startGateways()
    await redis.disconnectClients()
    // The gateways connect again at once.
    await expect.poll(redis.clients, { timeout: 10_000 }).toBe(2)
    await beginOnBoth()
    expect(await events()).toEqual([])
    expect(await listed(other)).toHaveLength(2)
  })
})

test.each([
  ['refuses connections', async () => `redis://127.0.0.1:${await freePort()}`],
  ['accepts connections and never answers', async () => silentServer()],
  ['is not Redis', async () => silentServer('HTTP/1.1 400 Bad Request\r\n\r\n')],
])('start: the gateway serves although the server of REDIS_URL %s', async (_, serve) => {
  const url = (await serve()).replace('//', '//canary-user:canary-password@')
  const harness = await startHarness({ environment: { REDIS_URL: url } })
  await harness.begin({ path: 'a.txt', size: 1 })
  const records = await harness.records()
  expect(records.filter(({ event }) => event === 'ledger_unavailable')).toHaveLength(1)
  expect(JSON.stringify(records)).not.toContain('canary')
})

/** The URL of a server that reads everything and sends only `greeting`. */
async function silentServer(greeting = ''): Promise<string> {
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.resume().write(greeting)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `redis://127.0.0.1:${(server.address() as { port: number }).port}`
}
