/**
 * `npm run test:throttled-neighbour`: measures whether a user whose SMH calls are throttled or fail takes
 * responses from the others. That user sends begins on 16 connections, a neighbour at a steady rate. Then
 * measures whether a gateway answers 503 immediately while SMH is down, and recovers. Takes two minutes.
 * Prints a table; exits 1 when a promise does not hold.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { startDemoIssuer } from '../src/demo/demo-users.ts'
import { environmentOf } from '../src/demo/environment.ts'
import type { Fault } from '../src/emulator/faults.ts'
import { startEmulator } from '../src/emulator/start.ts'
import { parseConfig } from '../src/gateway/config/parse.ts'
import { startGateway } from '../src/gateway/runtimes/node/start.ts'

const SECONDS = 5
const CONNECTIONS = 16
/** Limit for a response without a call to SMH, in milliseconds. */
const AT_ONCE_MS = 50
/** Limit for the recovery, in milliseconds. The circuit makes a trial call every five seconds. */
const RECOVERY_MS = 6_500

const issuer = await startDemoIssuer()
const emulator = await startEmulator({})
const environment = {
  ...environmentOf({ emulator, issuer }),
  RATE_LIMIT_PER_MINUTE: '0',
  UPLOAD_MAX_OPEN: '0',
  PORT: '0',
}
const tokens = new Map<string, Promise<string>>()
let names = 0

type Gateway = Awaited<ReturnType<typeof startGateway>>
const start = () => startGateway({ config: parseConfig(environment), log: () => undefined })

/** One begin of this user. Resolves to its status and duration in milliseconds. */
async function begin({ url }: Gateway, user: string) {
  const token = tokens.get(user) ?? issuer.token({ sub: user })
  tokens.set(user, token)
  names += 1
  const headers = {
    authorization: `Bearer ${await token}`,
    'content-type': 'application/json',
  }
  const startedAt = performance.now()
  const body = JSON.stringify({ path: `f${names}`, size: 5 })
  const response = await fetch(`${url}/v1/uploads`, { method: 'POST', headers, body })
  await response.arrayBuffer()
  return { status: response.status, ms: performance.now() - startedAt }
}

/** Sends `rate` begins per second without waiting for responses. Resolves to their statuses. */
async function steadily(gateway: Gateway, rate: number, userOf: (call: number) => string) {
  const calls: ReturnType<typeof begin>[] = []
  const startedAt = performance.now()
  for (let call = 0; call < rate * SECONDS; call += 1) {
    await wait(Math.max(0, startedAt + (call * 1000) / rate - performance.now()))
    calls.push(begin(gateway, userOf(call)))
  }
  return (await Promise.all(calls)).map(({ status }) => status)
}

/** Sends begins of the throttled user, one after the other on each connection, until the returned function is called. */
function flood(gateway: Gateway) {
  let isOver = false
  let sent = 0
  const loops = Array.from({ length: CONNECTIONS }, async () => {
    while (!isOver) {
      sent += 1
      await begin(gateway, 'throttled')
      // A client without any pause would measure the machine instead.
      await wait(5)
    }
  })
  return async () => {
    isOver = true
    await Promise.all(loops)
    return sent
  }
}

let isFine = true
function report(what: string, result: string, fine: boolean) {
  isFine &&= fine
  process.stdout.write(`${fine ? 'ok  ' : 'FAIL'}  ${what.padEnd(76)}  ${result}\n`)
}

const faults: Record<string, Fault> = {
  'answers 429': { status: 429, code: 'RateLimitExceeded' },
  'answers 503': { status: 503 },
  'breaks the connection': { drop: 'before' },
}

for (const [what, fault] of Object.entries(faults)) {
  for (const rate of [2, 20]) {
    for (const neighbour of ['a neighbour', 'new neighbours']) {
      const gateway = await start()
      await begin(gateway, 'neighbour')
      const match: Fault['match'] = ({ query }) => query.user_id === 'throttled'
      emulator.controls.force('begin-multipart', { ...fault, times: Infinity, match })
      const stop = flood(gateway)
      const userOf = (call: number) => (neighbour === 'a neighbour' ? 'neighbour' : `new${call}`)
      const statuses = await steadily(gateway, rate, userOf)
      const sent = await stop()
      const good = statuses.filter((status) => status === 201).length
      const forThrottled = emulator.controls.calls().filter(match).length
      report(
        `SMH ${what} for one user; ${neighbour}, ${rate} begins per second`,
        `${good} of ${statuses.length} succeeded; the other user sent ${sent}, ${forThrottled} reached SMH`,
        good === statuses.length,
      )
      emulator.controls.clearFaults()
      emulator.controls.clearCalls()
      await gateway.close()
    }
  }
}

/** Takes SMH down, measures 20 begins once the circuit is open, then brings SMH back and measures the recovery. */
async function whileDown(who: string, users: readonly string[]) {
  const gateway = await start()
  for (const user of users) await begin(gateway, user)
  await emulator.controls.refuseConnections(true)
  const downAt = performance.now()
  // Long enough for the circuits of SMH and of each user to open.
  while (performance.now() - downAt < 4_000) {
    await Promise.all(users.map((user) => begin(gateway, user)))
  }
  const times: number[] = []
  for (let call = 0; call < 20; call += 1) {
    const { status, ms } = await begin(gateway, users[call % users.length] as string)
    times.push(status === 503 ? ms : Number.POSITIVE_INFINITY)
  }
  const slowest = times.sort((a, b) => a - b)[18] as number
  report(
    `SMH is down; ${who}`,
    `19 of 20 calls get 503 within ${slowest.toFixed(1)} ms`,
    slowest < AT_ONCE_MS,
  )
  await emulator.controls.refuseConnections(false)
  const backAt = performance.now()
  const until = backAt + 2 * RECOVERY_MS
  while ((await begin(gateway, users[0] as string)).status !== 201 && performance.now() < until) {
    await wait(100)
  }
  const recovery = performance.now() - backAt
  report(
    `SMH is back; ${who}`,
    `begins succeed after ${(recovery / 1000).toFixed(1)} s`,
    recovery < RECOVERY_MS,
  )
  await gateway.close()
}

await whileDown('a single user', ['alone'])
await whileDown(
  'twenty users',
  Array.from({ length: 20 }, (_, index) => `user${index}`),
)
await Promise.all([emulator.close(), issuer.close()])
process.exitCode = isFine ? 0 : 1
