import { createClient } from '@redis/client'
import { hasRedis, type RedisServer, startRedis } from '../support/redis-server.ts'

/** How long an inspection may wait for Redis, milliseconds. */
const INSPECTION_MS = 20_000

/** How often a restart is tried: another process may hold the port briefly. */
const MOST_TRIES = 20

/** What no value in Redis may contain: COS credentials, JWTs, and SMH's confirm keys and tokens. */
const FORBIDDEN = [
  /q-sign-algorithm|q-ak=|x-cos-security-token|"authorization"/i,
  /\beyJ[\w-]+\.eyJ/,
  // Hashes in Redis are base64url.
  /[0-9a-f]{64}/,
]

/** The Redis that both gateways share. */
export interface RedisProcess {
  url: string
  state: 'up' | 'killed' | 'stopped'
  /** When Redis was away, milliseconds since the epoch. */
  outages: { from: number; to: number }[]
  inspections: number
  kill(): Promise<void>
  stop(): void
  /** Ends an outage. */
  restore(): Promise<void>
  /**
   * Reads all of Redis and returns what should not be there.
   *
   * @param secrets values that must not appear
   */
  inspect(secrets: readonly string[]): Promise<string[]>
  /** SIGKILL. */
  destroy(): Promise<void>
}

/** Starts Redis. Resolves to undefined where it is not installed. */
export async function startRedisProcess(): Promise<RedisProcess | undefined> {
  if (!hasRedis) return undefined
  const server = await startRedis()
  const outages: RedisProcess['outages'] = []
  let ending = false

  const begin = () => outages.push({ from: Date.now(), to: Infinity })

  async function restart(): Promise<void> {
    for (let tries = 1; !ending; tries += 1) {
      try {
        return await server.restart()
      } catch (error) {
        if (tries === MOST_TRIES) throw error
      }
    }
  }

  const redis: RedisProcess = {
    url: server.url,
    state: 'up',
    outages,
    inspections: 0,
    async kill() {
      redis.state = 'killed'
      begin()
      await server.kill()
    },
    stop() {
      redis.state = 'stopped'
      begin()
      server.suspend()
    },
    async restore() {
      const { state } = redis
      if (state === 'up') return
      redis.state = 'up'
      if (state === 'killed') await restart()
      else server.resume()
      const outage = outages.at(-1)
      if (outage) outage.to = Date.now()
    },
    async inspect(secrets) {
      const before = outages.length
      const found = await read(server).catch((error: unknown) => {
        // Redis may go away during the inspection.
        if (redis.state === 'up' && outages.length === before) throw error
        return undefined
      })
      if (!found) return []
      redis.inspections += 1
      return violationsOf(found, secrets)
    },
    async destroy() {
      ending = true
      await server.kill()
    },
  }
  return redis
}

interface Entry {
  key: string
  text: string
  expiresInMs: number
}

async function read({ url }: RedisServer): Promise<Entry[]> {
  const client = createClient({
    url,
    RESP: 2,
    socket: { connectTimeout: INSPECTION_MS, reconnectStrategy: false },
  })
  // The error also rejects the command.
  client.on('error', () => {})

  async function entryOf(key: string): Promise<Entry> {
    const [type, expiresIn] = await Promise.all([
      client.sendCommand(['TYPE', key]),
      client.sendCommand(['PTTL', key]),
    ])
    const text = JSON.stringify(await client.sendCommand(readerOf(String(type), key)))
    return { key, text, expiresInMs: Number(expiresIn) }
  }

  const late = setTimeout(() => client.destroy(), INSPECTION_MS)
  try {
    await client.connect()
    const entries: Entry[] = []
    let cursor = '0'
    do {
      const reply = await client.sendCommand(['SCAN', cursor, 'COUNT', '1000'])
      const [next, keys] = reply as unknown as [string, string[]]
      cursor = next
      entries.push(...(await Promise.all(keys.map(entryOf))))
    } while (cursor !== '0')
    return entries
  } finally {
    clearTimeout(late)
    if (client.isOpen) client.destroy()
  }
}

function readerOf(type: string, key: string): string[] {
  if (type === 'hash') return ['HGETALL', key]
  if (type === 'zset') return ['ZRANGE', key, '0', '-1', 'WITHSCORES']
  // A key that has just expired has the type `none`.
  return ['GET', key]
}

function violationsOf(entries: readonly Entry[], secrets: readonly string[]): string[] {
  const found = new Set<string>()
  for (const { key, text, expiresInMs } of entries) {
    const all = `${key} ${text}`
    const kind = key.split(':').slice(2, 3).join() || key
    for (const pattern of FORBIDDEN) {
      if (pattern.test(all)) found.add(`a value of Redis (${kind}) matches ${pattern}`)
    }
    // -2: it has expired meanwhile.
    if (expiresInMs === -1) found.add(`a key of Redis (${kind}) never expires`)
  }
  const everything = entries.map(({ key, text }) => `${key} ${text}`).join('\n')
  const leaks = secrets.filter((secret) => everything.includes(secret)).length
  if (leaks > 0) found.add(`${leaks} secrets appear in Redis`)
  return [...found]
}
