import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createClient } from '@redis/client'
import { freePort } from './free-port.ts'

/** Whether this machine has Redis. CI installs it. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

if (!hasRedis) process.stderr.write('redis-server is missing, so the tests of Redis are skipped.\n')

export interface RedisServer {
  url: string
  /** Ends the process without notice. */
  kill(): Promise<void>
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>
  /** Stops and continues the process. Meanwhile its connections stay open. */
  suspend(): void
  resume(): void
  /** Sends one command on a connection of its own. */
  command(...args: string[]): Promise<unknown>
  /** The number of connections, besides that of the test. */
  clients(): Promise<number>
  disconnectClients(): Promise<void>
}

/** Starts a Redis that keeps nothing on disk. */
export async function startRedis(more: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort()
  let child = await start()

  async function start(): Promise<ChildProcess> {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...more]
    const started = spawn('redis-server', [...args, '--appendonly', 'no'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    for await (const line of createInterface({ input: started.stdout })) {
      if (line.includes('Ready to accept connections')) return started
    }
    throw new Error('redis-server did not start.')
  }

  async function command(...args: string[]): Promise<unknown> {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 })
    await client.connect()
    try {
      return await client.sendCommand(args)
    } finally {
      client.destroy()
    }
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    async restart() {
      child = await start()
    },
    suspend: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    command,
    clients: async () =>
      String(await command('CLIENT', 'LIST'))
        .trim()
        .split('\n').length - 1,
    async disconnectClients() {
      await command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    },
  }
}
