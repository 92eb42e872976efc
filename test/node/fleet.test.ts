import { describe, expect, onTestFinished, test } from 'vitest'
import { startHarness } from '../support/harness.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis-server.ts'

const wanted = { path: 'a.txt', size: 5 }

/** Two gateways with one Redis. `spread` sends one request after the other to each in turn, all at once. */
async function startFleet(more: Record<string, string> = {}) {
  const redis = await startRedis()
  onTestFinished(redis.kill)
  const environment = { REDIS_URL: redis.url, ...more }
  const harness = await startHarness({ environment })
  const gateways = [harness.gateway, await harness.startAnother(environment)]
  const spread = (times: number, headers: Record<string, string> = {}) =>
    Promise.all(
      Array.from({ length: times }, (_, index) =>
        harness.request('POST', '/v1/uploads', { body: wanted, headers, on: gateways[index % 2]! }),
      ),
    )
  return { ...harness, redis, gateways, spread }
}

const statusesOf = (responses: Response[]) =>
  Object.fromEntries(
    [...Map.groupBy(responses, ({ status }) => status)].map(([status, all]) => [
      status,
      all.length,
    ]),
  )

/** All that Redis holds, as text. */
async function dumpOf({ command }: RedisServer): Promise<string> {
  const keys = (await command('KEYS', '*')) as string[]
  const readers: Record<string, string[]> = {
    string: ['GET'],
    hash: ['HGETALL'],
    zset: ['ZRANGE', '0', '-1'],
  }
  const values = keys.map(async (key) => {
    const [read = '', ...range] = readers[(await command('TYPE', key)) as string] ?? []
    return command(read, key, ...range)
  })
  return JSON.stringify([keys, await Promise.all(values)])
}

describe.skipIf(!hasRedis)('two gateways with one Redis', () => {
  test('RATE_LIMIT_PER_MINUTE=60 allows a user 60 begins, not 120', async () => {
    const { spread } = await startFleet({ RATE_LIMIT_PER_MINUTE: '60' })
    const startedAt = performance.now()
    const { 201: begun = 0, 429: refused = 0 } = statusesOf(await spread(150))
    expect(begun + refused).toBe(150)
    // The limit grows by one each second.
    const grown = Math.floor((performance.now() - startedAt) / 1000) + 1
    expect(begun).toBeGreaterThanOrEqual(60)
    expect(begun).toBeLessThanOrEqual(60 + grown)
  })

  test('UPLOAD_MAX_OPEN=10 allows a user ten open uploads', async () => {
    const { spread, emulator } = await startFleet({ UPLOAD_MAX_OPEN: '10' })
    expect(statusesOf(await spread(40))).toEqual({ 201: 10, 429: 30 })
    expect(emulator.controls.openTasks()).toHaveLength(10)
  })

  test('twenty begins at once with one Idempotency-Key make one task', async () => {
    const { spread, emulator } = await startFleet()
    const responses = await spread(20, { 'idempotency-key': 'k' })
    for (const { status } of responses) expect([201, 409]).toContain(status)
    expect(emulator.controls.openTasks()).toHaveLength(1)
    const again = await spread(2, { 'idempotency-key': 'k' })
    const keys = await Promise.all(
      again.map(async (response) => (await response.json()).confirmKey),
    )
    expect(new Set(keys).size).toBe(1)
  })

  test('Redis holds no token, no credentials, and no confirm key of SMH', async () => {
    const { begin, complete, putPart, request, redis, emulator, issued } = await startFleet()
    const headers = { 'idempotency-key': 'canary-key', 'x-smh-meta-canary': 'canary-value' }
    const multipart = await begin({ ...wanted, path: 'open.txt' }, { headers })
    const simple = await begin({ ...wanted, method: 'simple' })
    const stored = await begin(wanted)
    await putPart(stored, 1, new Uint8Array(5))
    await complete(stored)
    await request('POST', `/v1/uploads/${multipart.confirmKey}/renew`)
    const tasks = emulator.controls.openTasks()
    const dump = await dumpOf(redis)
    // The list needs these.
    expect(dump).toContain(multipart.confirmKey)
    expect(dump).toContain('open.txt')
    const tokens = emulator.controls.calls().flatMap(({ query }) => query.access_token ?? [])
    const secrets = [
      ...[emulator.librarySecret, emulator.libraryId, 'canary-key', 'canary-value'],
      ...issued,
      ...tokens,
      ...tasks.map(({ confirmKey }) => confirmKey),
      ...[multipart, simple, stored].flatMap(({ headers }) => [
        headers.Authorization ?? '',
        headers['x-cos-security-token'] ?? '',
      ]),
    ]
    expect(secrets.length).toBeGreaterThan(12)
    expect(tasks).toHaveLength(2)
    expect(secrets.filter((secret) => secret === '' || dump.includes(secret))).toEqual([])
  })
})
