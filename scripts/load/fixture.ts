import { type ChildProcess, fork, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { startEmulator } from '../../src/emulator/start.ts'

/** Requests at a constant rate that leaves the gateway idle most of the time. */
export interface Load {
  url: string
  /** One per user. */
  tokens: readonly string[]
  requests: number
  perSecond: number
}

/** The responses to a load. */
export interface Measured {
  /** Milliseconds, one per request. */
  times: number[]
  /** Number of responses with each status; 0 is a failed connection. */
  statuses: Record<number, number>
}

/** Number of users of a load. */
const USERS = 50
/** Longer than any run, so that no token expires during one. */
const DAY_SECONDS = 24 * 60 * 60

/** Starts emulator and issuer in this process, gateway and load generator in a process each. */
export async function startFixture(variables: Record<string, string> = {}) {
  const [emulator, issuer] = await Promise.all([startEmulator(), startDemoIssuer()])
  const gateway = spawn(process.execPath, ['src/gateway/runtimes/node/main.ts'], {
    env: {
      PATH: process.env.PATH,
      ...environmentOf({ emulator, issuer }),
      ...variables,
      PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const events = new EventEmitter<{ ledger: [event: string] }>()
  const url = await addressOf(gateway, events)
  const generator = fork(fileURLToPath(new URL('./generate.ts', import.meta.url)))
  const token = (sub: string) => issuer.token({ sub, expiresInSeconds: DAY_SECONDS })
  const tokens = await Promise.all(
    Array.from({ length: USERS }, (_, user) => token(`user-${user}`)),
  )
  return {
    emulator,
    url,
    token,
    /** Emits the events of the ledger that the gateway logs. */
    events,
    /** Lets the load generator send begins. */
    async load(wanted: Pick<Load, 'requests' | 'perSecond'>): Promise<Measured> {
      generator.send({ url, tokens, ...wanted } satisfies Load)
      const [measured] = await once(generator, 'message')
      return measured
    },
    async close() {
      generator.kill()
      gateway.kill('SIGKILL')
      await Promise.all([emulator.close(), issuer.close()])
    },
  }
}

function addressOf(
  gateway: ChildProcess,
  events: EventEmitter<{ ledger: [event: string] }>,
): Promise<string> {
  if (!gateway.stdout) throw new Error('The gateway has no output.')
  const lines = createInterface({ input: gateway.stdout })
  return new Promise((resolve, reject) => {
    gateway.once('exit', () => reject(new Error('The gateway ended before it listened.')))
    lines.on('line', (line) => {
      const [, event = ''] = /"event":"(listening|ledger_\w+)"/.exec(line) ?? []
      if (event === 'listening') resolve(JSON.parse(line).address)
      else if (event !== '') events.emit('ledger', event)
    })
  })
}

/** The quantile of the times at this share, 0 to 1. */
export function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Prints quiet and loaded values side by side. Sets exit status 1 when a bound does not hold. */
export function report(
  quiet: Measured,
  loaded: Measured,
  { share, bound, notes }: { share: number; bound: number; notes: readonly string[] },
): void {
  const row = (name: string, { times, statuses }: Measured) => ({
    '': name,
    requests: times.length,
    refused: refusedOf(statuses),
    'p50 ms': quantile(times, 0.5).toFixed(2),
    'p99 ms': quantile(times, 0.99).toFixed(2),
  })
  const ratio = quantile(loaded.times, share) / quantile(quiet.times, share)
  const refused = refusedOf(loaded.statuses)
  const name = `p${share * 100}`
  // biome-ignore lint/suspicious/noConsole: the table is the result.
  console.table([row('quiet', quiet), row('loaded', loaded)])
  const verdicts = [
    `refused: ${refused}, bound 0`,
    `${name}: ${ratio.toFixed(2)} x, bound ${bound} x`,
  ]
  process.stdout.write(`${[...notes, ...verdicts].join('\n')}\n`)
  process.exitCode = refused === 0 && ratio <= bound ? 0 : 1
}

/** Number of responses other than 201. */
export function refusedOf(statuses: Measured['statuses']): number {
  const { 201: begun, ...others } = statuses
  return Object.values(others).reduce((sum, count) => sum + count, 0)
}
