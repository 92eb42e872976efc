import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Another process may have the port for a moment, as the near end of some connection. */
const MOST_TRIES = 20

/** A gateway that comes back on the same port whenever it ends. */
export interface GatewayProcess {
  url: string
  /** Resolves when it listens. */
  up(): Promise<void>
  /** SIGKILL. */
  kill(): void
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>
  /** Everything that it has written, in all its lives. */
  written(): string
  /** Ends it in good order, for good. */
  close(): Promise<void>
  /** SIGKILL, for good; resolves when it has ended. */
  destroy(): Promise<void>
}

/**
 * Starts the Node entry as an operator would, as a process of its own.
 *
 * @param environment asked for at each start
 * @param onFault told of every end that is not as it should be, and of what stands on standard error
 */
export async function startGatewayProcess(
  environment: () => Record<string, string>,
  onFault: (fault: string) => void,
): Promise<GatewayProcess> {
  const port = await freePort()
  let written = ''
  let closing = false
  let tries = 0
  let up = Promise.withResolvers<void>()
  let life = start()

  function start() {
    const child = spawn(process.execPath, ['src/gateway/runtimes/node/main.ts'], {
      cwd: ROOT,
      env: { PATH: process.env.PATH ?? '', ...environment(), PORT: String(port) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = Promise.withResolvers<void>()
    const begun = { child, ended, listens: false, sent: new Set<NodeJS.Signals>(), errors: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      written += text
      if (begun.listens || !text.includes('"event":"listening"')) return
      begun.listens = true
      tries = 0
      if (begun.sent.size === 0) up.resolve()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      written += text
      begun.errors += text
    })
    child.once('close', (status, signal) => {
      judge(begun, status, signal)
      if (closing) up.resolve()
      else life = start()
      ended.resolve()
    })
    return begun
  }

  function judge(
    { listens, sent, errors }: ReturnType<typeof start>,
    status: number | null,
    signal: NodeJS.Signals | null,
  ) {
    if (sent.has('SIGKILL')) return
    const portTaken = !listens && errors.includes('EADDRINUSE')
    if (portTaken && ++tries < MOST_TRIES) return
    if (errors !== '') onFault(`a gateway wrote on standard error: ${errors}`)
    // Before it listens it has nothing to end, and dies of the signal.
    const asIntended = sent.has('SIGTERM') && (status === 0 || (!listens && signal === 'SIGTERM'))
    if (asIntended) return
    onFault(`a gateway ended by itself: ${signal ?? status}`)
    closing = true
  }

  function send(signal: NodeJS.Signals): void {
    // A second SIGTERM would cut short what the first one lets end.
    if (life.sent.has(signal)) return
    // Whoever waits goes on waiting, for the next one.
    if (life.listens && life.sent.size === 0) up = Promise.withResolvers()
    life.sent.add(signal)
    life.child.kill(signal)
  }

  return {
    url: `http://127.0.0.1:${port}`,
    up: () => up.promise,
    kill: () => send('SIGKILL'),
    stop() {
      const { ended } = life
      send('SIGTERM')
      return ended.promise
    },
    written: () => written,
    async close() {
      closing = true
      send('SIGTERM')
      await life.ended.promise
    },
    async destroy() {
      closing = true
      send('SIGKILL')
      await life.ended.promise
    },
  }
}
