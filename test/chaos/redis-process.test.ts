import { createClient } from '@redis/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasRedis } from '../support/redis-server.ts'
import { type RedisProcess, startRedisProcess } from './redis-process.ts'

const SMH_CONFIRM_KEY = 'a1'.repeat(32)

describe.skipIf(!hasRedis)('Redis of a campaign', () => {
  let redis: RedisProcess

  beforeAll(async () => {
    redis = (await startRedisProcess())!
  })
  afterAll(() => redis.destroy())

  async function send(...commands: string[][]): Promise<void> {
    const client = createClient({ url: redis.url, RESP: 2 })
    await client.connect()
    for (const command of commands) await client.sendCommand(command)
    client.destroy()
  }

  test.each<[string, string[]]>([
    ['COS credentials', ['SET', 'k', 'q-sign-algorithm=sha1', 'PX', '60000']],
    ['a JWT', ['SET', 'k', 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln', 'PX', '60000']],
    ['a clear confirm key of SMH', ['SET', 'k', SMH_CONFIRM_KEY, 'PX', '60000']],
    ['a secret', ['SET', 'k', 'of the campaign', 'PX', '60000']],
    ['a key that never expires', ['SET', 'k', 'harmless']],
  ])('an inspection finds %s', async (_what, command) => {
    await send(['FLUSHALL'], command)
    expect(await redis.inspect(['of the campaign'])).toHaveLength(1)
  })

  test('an inspection reads hashes and sorted sets, too', async () => {
    await send(
      ['FLUSHALL'],
      ['HSET', 'h', 'field', SMH_CONFIRM_KEY],
      ['PEXPIRE', 'h', '60000'],
      ['ZADD', 'z', '1', 'q-ak=1'],
      ['PEXPIRE', 'z', '60000'],
    )
    expect(await redis.inspect([])).toHaveLength(2)
  })

  test('an inspection accepts a gateway key, which has the confirm key of SMH in base64url', async () => {
    const encoded = Buffer.from(SMH_CONFIRM_KEY).toString('base64url')
    await send(['FLUSHALL'], ['SET', 'k', `1.abc.5.r.${encoded}.mac`, 'PX', '60000'])
    expect(await redis.inspect([])).toEqual([])
  })

  test('an outage lasts from the kill to the restart', async () => {
    await redis.kill()
    expect(redis.outages.at(-1)?.to).toBe(Infinity)
    await redis.restore()
    expect(redis.outages.at(-1)?.to).toBeLessThan(Infinity)
    expect(await redis.inspect([])).toEqual([])
  })
})
