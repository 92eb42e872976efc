import { createClient } from '@redis/client'
import type { Secret } from '../../config/secret.ts'
import type { RedisScript } from './redis-scripts.ts'

/** How long a connection may take to be made, milliseconds. */
const CONNECT_TIMEOUT_MS = 500

/** A connection to Redis. Its methods reject at once while there is none. */
export interface RedisConnection {
  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown>
  /** Connects if necessary, and writes a key that lives for a second. */
  ping(): Promise<void>
  /** Drops the connection and rejects its running commands. */
  drop(): void
  /** Drops the connection for good. */
  close(): void
}

type Client = ReturnType<typeof connectTo>

/** Creates a connection that `ping` opens. A lost connection is opened again once, then by the next `ping`. */
export function createRedisConnection(url: Secret): RedisConnection {
  let client: Client | undefined
  let isClosed = false

  async function open(): Promise<Client> {
    if (isClosed) throw new Error('The connection to Redis is closed.')
    client?.destroy()
    const opened = connectTo(url)
    client = opened
    let wasReady = false
    const isCurrent = () => client === opened
    // The events also settle the commands. Without a listener they would end the process.
    opened.on('error', () => {})
    // A client that is destroyed while it connects would stay connected.
    opened.on('connect', () => isCurrent() || opened.destroy())
    opened.on('ready', () => {
      wasReady = true
    })
    opened.on('terminated', () => {
      if (!isCurrent()) return
      client = undefined
      if (wasReady) open().catch(() => {})
    })
    await opened.connect()
    return opened
  }

  function drop(): void {
    const dropped = client
    client = undefined
    dropped?.destroy()
  }

  return {
    async run({ text, sha1 }, keys, args) {
      if (!client) throw new Error('Redis is not connected.')
      const rest = [String(keys.length), ...keys, ...args]
      try {
        return await client.sendCommand(['EVALSHA', sha1, ...rest])
      } catch (error) {
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error
        return await client.sendCommand(['EVAL', text, ...rest])
      }
    },
    async ping() {
      const ready = client?.isReady ? client : await open()
      await ready.sendCommand(['SET', 'smhgw:ping', '1', 'PX', '1000'])
    },
    drop,
    close() {
      isClosed = true
      drop()
    },
  }
}

function connectTo(url: Secret) {
  return createClient({
    url: url.reveal(),
    RESP: 2,
    // Redis before 7.2 does not know CLIENT SETINFO.
    disableClientInfo: true,
    maintNotifications: 'disabled',
    disableOfflineQueue: true,
    // The fallback ledger has a timeout for each call. The client's covers only commands that wait to be sent.
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false },
  })
}
