import { readFile } from 'node:fs/promises'
import { createClient } from '@redis/client'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { conceal } from '../../src/gateway/config/secret.ts'
import type { BeginDecision } from '../../src/gateway/ledger/ledger.ts'
import { MAX_KEYS } from '../../src/gateway/ledger/user-ledger.ts'
import { createRedisConnection } from '../../src/gateway/runtimes/node/redis-connection.ts'
import { createRedisLedger } from '../../src/gateway/runtimes/node/redis-ledger.ts'
import { admitted, HOUR_MS, type LedgerUnderTest, testLedger } from '../support/ledger-contract.ts'
import { hasRedis, type RedisServer, startRedis } from '../support/redis-server.ts'

const limits = { perMinute: 120, maxOpen: 10, maxAgeMs: 168 * HOUR_MS, runningMs: 30_000 }
const key = { key: 'hash-of-key', fingerprint: 'print' }
const realm = ['https://issuer.canary.test', 'sub', 'smhcanary']

describe.skipIf(!hasRedis)('Redis ledger', () => {
  let server: RedisServer
  let direct: ReturnType<typeof connect>
  let connection: ReturnType<typeof createRedisConnection>
  const connect = (url: string) => createClient({ url, RESP: 2 })

  beforeAll(async () => {
    server = await startRedis()
    direct = connect(server.url)
    await direct.connect()
    connection = createRedisConnection(conceal(server.url))
    await connection.ping()
  })
  afterAll(async () => {
    direct.destroy()
    connection.close()
    await server.kill()
  })
  beforeEach(() => direct.flushAll())

  /** A ledger of another gateway with the same Redis, by the clock of the server. */
  async function another(own: Partial<typeof limits> = {}) {
    const other = createRedisConnection(conceal(server.url))
    onTestFinished(other.close)
    await other.ping()
    return createRedisLedger({
      connection: other,
      realm,
      limits: { ...limits, ...own },
      clock: Date.now,
    })
  }

  const upload = (confirmKey: string) => ({
    confirmKey,
    scope: 'scope',
    path: ['canary.jpg'],
    size: 1,
    method: 'multipart' as const,
    beganAt: Date.now(),
    endsAt: Date.now() + limits.maxAgeMs,
  })

  const count = (decisions: readonly BeginDecision[], kind: BeginDecision['kind']) =>
    decisions.filter((decision) => decision.kind === kind).length

  const times = <T>(number: number, make: (index: number) => T | Promise<T>) =>
    Promise.all(Array.from({ length: number }, (_, index) => make(index)))

  describe('alone', () => {
    testLedger(({ limits, clock }: LedgerUnderTest) =>
      createRedisLedger({ connection, realm, limits, clock, serverClock: clock }),
    )
  })

  test('two gateways: of 20 concurrent begins with one key, one is admitted', async () => {
    const ledgers = [await another(), await another()]
    const decisions = await times(20, (index) => ledgers[index % 2]!.begin('ann', key))
    expect(count(decisions, 'admitted')).toBe(1)
    expect(count(decisions, 'in_progress')).toBe(19)
  })

  test('two gateways: share the rate', async () => {
    const ledgers = [await another({ perMinute: 60, maxOpen: 0 })]
    ledgers.push(await another({ perMinute: 60, maxOpen: 0 }))
    const startedAt = performance.now()
    const decisions = await times(150, (index) => ledgers[index % 2]!.begin('ann'))
    // One more begin is allowed for each second that the calls have taken.
    const seconds = Math.ceil((performance.now() - startedAt) / 1000)
    expect(count(decisions, 'admitted')).toBeGreaterThanOrEqual(60)
    expect(count(decisions, 'admitted')).toBeLessThanOrEqual(60 + seconds)
    expect(count(decisions, 'rate_limited')).toBe(150 - count(decisions, 'admitted'))
  })

  test('two gateways: share the open uploads and their list', async () => {
    const ledgers = [await another(), await another()] as const
    const decisions = await times(30, (index) => ledgers[index % 2]!.begin('ann'))
    expect(count(decisions, 'admitted')).toBe(10)
    expect(count(decisions, 'too_many_open')).toBe(20)
    const first = decisions.find(({ kind }) => kind === 'admitted')!
    await ledgers[0].began('ann', admitted(first), { outcome: 'upload', upload: upload('a') })
    expect(await ledgers[1].list('ann')).toMatchObject([{ confirmKey: 'a' }])
    await ledgers[1].ended('ann', 'a', 'completed')
    expect(await ledgers[0].list('ann')).toEqual([])
    expect((await ledgers[0].begin('ann')).kind).toBe('admitted')
  })

  test('gateways with another issuer, claim or library share nothing', async () => {
    const ledger = await another()
    await ledger.begin('ann', key)
    for (const index of realm.keys()) {
      const other = createRedisLedger({
        connection,
        realm: realm.with(index, 'other'),
        limits,
        clock: Date.now,
      })
      expect(await other.begin('ann', key)).toMatchObject({
        kind: 'admitted',
        rate: { remaining: 119 },
      })
    }
  })

  test('the scripts are loaded again after Redis has lost them', async () => {
    const ledger = await another()
    await direct.scriptFlush()
    const ticket = admitted(await ledger.begin('ann', key))
    await direct.scriptFlush()
    await ledger.began('ann', ticket, { outcome: 'upload', upload: upload('a') })
    expect(await ledger.list('ann')).toHaveLength(1)
  })

  /** Everything that Redis has, as text, with the time to live of each key. */
  async function dump() {
    const names = (await direct.keys('*')).filter((name) => name !== 'smhgw:ping')
    return Promise.all(
      names.map(async (name) => {
        const read = {
          string: () => direct.get(name),
          hash: () => direct.hGetAll(name),
          zset: () => direct.zRangeWithScores(name, 0, -1),
        }[await direct.type(name)]
        return { name, ttl: await direct.pTTL(name), value: JSON.stringify(await read?.()) }
      }),
    )
  }

  test.each([1000, limits.maxAgeMs])(
    'every key lives for at most %i ms, as the uploads do',
    async (maxAgeMs) => {
      const ledger = await another({ maxAgeMs })
      await ledger.begin('canary-user')
      const ticket = admitted(await ledger.begin('canary-user', key))
      const opened = { ...upload('confirm-key'), endsAt: Date.now() + maxAgeMs }
      await ledger.began('canary-user', ticket, { outcome: 'upload', upload: opened })
      const entries = await dump()
      expect(entries.map(({ name }) => name.replace(/^smhgw:\{[\w-]{43}\}:/, '')).sort()).toEqual([
        'ends',
        `key:${key.key}`,
        'keys',
        'open',
        'rate',
      ])
      for (const { ttl } of entries) {
        expect(ttl).toBeGreaterThan(0)
        expect(ttl).toBeLessThanOrEqual(maxAgeMs)
      }
    },
  )

  test('Redis holds no user, issuer or library, and of an upload only what the list needs', async () => {
    const ledger = await another()
    const ticket = admitted(await ledger.begin('canary-user', key))
    const opened = upload('confirm-key')
    await ledger.began('canary-user', ticket, { outcome: 'upload', upload: opened })
    const text = JSON.stringify(await dump())
    expect(text).not.toMatch(/canary-user|issuer\.canary|smhcanary/)
    const open = (await dump()).find(({ name }) => name.endsWith(':open'))!
    const [stored] = Object.values<string>(JSON.parse(open.value))
    expect(JSON.parse(stored!)).toEqual({ ...opened, key: key.key })
  })

  test('a user has at most 10,000 Idempotency-Keys: the oldest are dropped', async () => {
    const ledger = await another()
    const record = { outcome: 'full_hash_required' } as const
    const oldest = { key: 'oldest', fingerprint: 'print' }
    await ledger.began('ann', admitted(await ledger.begin('ann', oldest)), record)
    const [keys = ''] = (await direct.keys('*')).filter((name) => name.endsWith(':keys'))
    const score = Date.now() + 48 * HOUR_MS
    const others = Array.from({ length: MAX_KEYS - 1 }, (_, index) => ({
      score,
      value: `${index}`,
    }))
    await direct.zAdd(keys, others)
    expect((await ledger.begin('ann', oldest)).kind).toBe('replay')
    await ledger.began('ann', admitted(await ledger.begin('ann', key)), record)
    expect(await direct.zCard(keys)).toBe(MAX_KEYS)
    expect((await ledger.begin('ann', oldest)).kind).toBe('admitted')
    expect((await ledger.begin('ann', key)).kind).toBe('replay')
  })

  test('the rights in docs/operating.md are enough', async () => {
    const text = await readFile(new URL('../../docs/operating.md', import.meta.url), 'utf8')
    const [, rights = ''] = /\*\*ACL\*\*: `([^`]+)`/.exec(text) ?? []
    await direct.sendCommand(['ACL', 'SETUSER', 'gateway', 'on', '>p@ss', ...rights.split(/\s+/)])
    const url = server.url.replace('//', '//gateway:p%40ss@')
    const restricted = createRedisConnection(conceal(url))
    onTestFinished(restricted.close)
    await restricted.ping()
    const ledger = createRedisLedger({ connection: restricted, realm, limits, clock: Date.now })
    await direct.scriptFlush()
    await ledger.count('ann')
    await ledger.failed('ann', admitted(await ledger.begin('ann', key)))
    for (const name of ['a', 'b']) {
      const ticket = admitted(await ledger.begin('ann', { ...key, key: name }))
      await ledger.began('ann', ticket, { outcome: 'upload', upload: upload(name) })
    }
    await ledger.ended('ann', 'a', 'aborted')
    expect(await ledger.list('ann')).toMatchObject([{ confirmKey: 'b' }])
    await expect(
      restricted.run({ text: 'return redis.call("KEYS", "*")', sha1: 'x' }, [], []),
    ).rejects.toThrow()
  })

  test('times of 13 digits and more stay exact', async () => {
    const ledger = createRedisLedger({
      connection,
      realm,
      limits: { ...limits, maxOpen: 1 },
      clock: () => 1_767_312_000_123,
      serverClock: () => 1_767_312_000_123,
    })
    const opened = { ...upload('a'), endsAt: 1_767_312_000_123 + 77_777_777 }
    await ledger.began('ann', admitted(await ledger.begin('ann')), {
      outcome: 'upload',
      upload: opened,
    })
    expect(await ledger.begin('ann')).toMatchObject({ kind: 'too_many_open', waitMs: 77_777_777 })
  })

  test.each(['rate', 'ends', 'open', `key:${key.key}`])(
    'data of another program at %s: the calls reject, and the connection stays usable',
    async (name) => {
      const ledger = await another()
      await ledger.began('ann', admitted(await ledger.begin('ann', key)), {
        outcome: 'upload',
        upload: upload('a'),
      })
      const [full = ''] = (await direct.keys('*')).filter((found) => found.endsWith(`:${name}`))
      await direct.del(full)
      await direct.lPush(full, 'foreign')
      const calls = [() => ledger.begin('ann', key), () => ledger.list('ann')]
      const outcomes = await Promise.allSettled(calls.map((call) => call()))
      expect(outcomes.map(({ status }) => status)).toContain('rejected')
      expect((await ledger.begin('bob')).kind).toBe('admitted')
    },
  )

  test.each(['not JSON', '{}', '{"confirmKey":1}'])(
    'a corrupt upload %s: list rejects',
    async (text) => {
      const ledger = await another()
      await ledger.began('ann', admitted(await ledger.begin('ann')), {
        outcome: 'upload',
        upload: upload('a'),
      })
      const [open = ''] = (await direct.keys('*')).filter((found) => found.endsWith(':open'))
      const [id = ''] = Object.keys(await direct.hGetAll(open))
      await direct.hSet(open, id, text)
      await expect(ledger.list('ann')).rejects.toThrow()
    },
  )
})
