import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Restarts take half the time with it. */
const COMPILE_CACHE = join(tmpdir(), 'smh-upload-gateway-campaign')

/** Another process may hold the port briefly, as the local end of an outgoing connection. */
const MOST_TRIES = 20

/** A gateway process that restarts on the same port each time it ends. */
export interface GatewayProcess {
  url: string
  /** Resolves when it listens. */
  up(): Promise<void>
  /** SIGKILL. */
  kill(): void
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>
  /** All output since the first start. */
  written(): string
  /** When a process started, milliseconds since the epoch. */
  starts(): readonly number[]
  /** When a process was killed (SIGKILL), milliseconds since the epoch. */
  kills(): readonly number[]
  /** SIGTERM without a restart; resolves when it has ended. */
  close(): Promise<void>
  /** SIGKILL without a restart; resolves when it has ended. */
  destroy(): Promise<void>
}

/**
 * Starts the Node entry as an operator would, as a process of its own.
 *
 * @param environment called at each start
 * @param onIncident called for every unexpected end and for output on standard error
 */
export async function startGatewayProcess(
  environment: () => Record<string, string>,
  onIncident: (incident: string) => void,
): Promise<GatewayProcess> {
  const port = await freePort()
  let written = ''
  let closing = false
  let tries = 0
  const starts: number[] = []
  const kills: number[] = []
  let up = Promise.withResolvers<void>()
  let life = start()

  function start() {
    starts.push(Date.now())
    const child = spawn(process.execPath, ['src/gateway/runtimes/node/main.ts'], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH ?? '',
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        ...environment(),
        PORT: String(port),
      },
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
    if (errors !== '') onIncident(`a gateway wrote on standard error: ${errors}`)
    // Before it listens, the process has no signal handler.
    const asIntended = sent.has('SIGTERM') && (status === 0 || (!listens && signal === 'SIGTERM'))
    if (asIntended) return
    onIncident(`a gateway ended unexpectedly: ${signal ?? status}`)
    closing = true
  }

  function send(signal: NodeJS.Signals): void {
    // A second SIGTERM would cut off the requests that the first one lets finish.
    if (life.sent.has(signal)) return
    // Callers of `up` now wait for the next process.
    if (life.listens && life.sent.size === 0) up = Promise.withResolvers()
    life.sent.add(signal)
    if (signal === 'SIGKILL') kills.push(Date.now())
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
    starts: () => starts,
    kills: () => kills,
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
