/**
 * Whether one user whose calls SMH throttles or fails takes answers from the others: that user sends begins
 * on 16 connections all the time, a neighbour at a steady rate. Then whether a gateway over an SMH that is
 * down says so at once, and recovers. Real clocks, loopback only, two minutes. Prints a table; the exit
 * status is 0 when all is as promised.
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
/** Of an answer that SMH is not asked for, milliseconds. */
const AT_ONCE_MS = 50
/** A trial is made every five seconds, milliseconds. */
const RECOVERY_MS = 6_500

const issuer = await startDemoIssuer()
const emulator = await startEmulator({})
const environment = {
  ...environmentOf({ emulator, issuer }),
  RATE_LIMIT_PER_MINUTE: '0',
  PORT: '0',
}
const tokens = new Map<string, Promise<string>>()
let names = 0

type Gateway = Awaited<ReturnType<typeof startGateway>>
const start = () => startGateway({ config: parseConfig(environment), log: () => undefined })

/** One begin of this user; gives its status and how long it took, milliseconds. */
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

/** Sends `rate` begins a second, whatever becomes of those before; gives their statuses. */
async function steadily(gateway: Gateway, rate: number, userOf: (call: number) => string) {
  const calls: ReturnType<typeof begin>[] = []
  const startedAt = performance.now()
  for (let call = 0; call < rate * SECONDS; call += 1) {
    await wait(Math.max(0, startedAt + (call * 1000) / rate - performance.now()))
    calls.push(begin(gateway, userOf(call)))
  }
  return (await Promise.all(calls)).map(({ status }) => status)
}

/** Begins of the throttled user, one after the other on each connection, until told to stop. */
function flood(gateway: Gateway) {
  let isOver = false
  let sent = 0
  const loops = Array.from({ length: CONNECTIONS }, async () => {
    while (!isOver) {
      sent += 1
      await begin(gateway, 'throttled')
      // A client that does not wait at all would measure this machine.
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
        `SMH ${what} for one; ${neighbour}, ${rate} begins a second`,
        `${good} of ${statuses.length} answered; the other sent ${sent}, ${forThrottled} reached SMH`,
        good === statuses.length,
      )
      emulator.controls.clearFaults()
      emulator.controls.clearCalls()
      await gateway.close()
    }
  }
}

/** Sends begins until one is refused without SMH being asked, then twenty more; then has SMH come back. */
async function whileDown(who: string, users: readonly string[]) {
  const gateway = await start()
  for (const user of users) await begin(gateway, user)
  await emulator.controls.refuseConnections(true)
  const downAt = performance.now()
  // So much, and the states of all users and of each are known.
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

await whileDown('a user alone', ['alone'])
await whileDown(
  'twenty users',
  Array.from({ length: 20 }, (_, index) => `user${index}`),
)
await Promise.all([emulator.close(), issuer.close()])
process.exitCode = isFine ? 0 : 1
