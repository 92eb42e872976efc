/**
 * `npm run bench:scale`: measures what 100,000 users cost more than ten: CPU per begin, memory, and calls to
 * SMH and the issuer. That is more users than any cache of the gateway holds. A token that is not cached may
 * cost one signature check, which the same run measures. Takes three minutes. Prints the figures; exits 1
 * when a limit is exceeded.
 */

import { startFixture, type UpstreamCalls } from './fixture.ts'
import { load, quantile } from './load.ts'
import { type MeasuredServer, startServer } from './processes.ts'

const ROUNDS = 10
const FEW = 10
const MANY = 100_000
const BEGINS = MANY / ROUNDS
const CONNECTIONS = 32
const WARM_UP = 16_000
const MEMORY_LIMIT_MIB = 200

const gateway = new URL('../dist/gateway/runtimes/node/main.js', import.meta.url)
const fixture = await startFixture()
const many = await fixture.tokens(MANY)
// Each connection uses only its own tokens, so every connection needs some.
const few = Array.from({ length: 1000 }, (_, number) => many[number % FEW] ?? '')
const some = many.slice(0, 1000)

const calls = await callsOf(some)
const usual = await startServer(gateway, fixture.environment)
const uncached = await startServer(gateway, { ...fixture.environment, JWT_CACHE_SECONDS: '0' })
for (const server of [usual, uncached]) await begins(server, few, WARM_UP)

const byFew: number[] = []
const byMany: number[] = []
const checked: number[] = []
for (let round = 0; round < ROUNDS; round += 1) {
  byFew.push(await begins(usual, few, BEGINS))
  byMany.push(await begins(usual, many.slice(round * BEGINS, (round + 1) * BEGINS), BEGINS))
  checked.push(await begins(uncached, few, BEGINS))
}
const memoryMiB = (await usual.usage()).rssBytes / 2 ** 20
await Promise.all([usual.close(), uncached.close()])
await fixture.close()

const median = (values: number[]) => quantile(values, 0.5)
const text = (values: number[]) =>
  `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}) µs`
const checkCost = median(checked.map((cost, round) => cost - (byFew[round] ?? Number.NaN)))
const growth = median(byMany.map((cost, round) => cost - (byFew[round] ?? Number.NaN)))
console.log(
  `${calls.begin} begins by ${some.length} users: ${(calls.begin / MANY).toFixed(3)} calls to SMH per begin,`,
)
console.log(`  ${calls.mint} mints, ${calls.keys} fetches of the key set`)
console.log(`CPU per begin, by ${FEW} users: ${text(byFew)}; by ${MANY}: ${text(byMany)}`)
console.log(`  ${growth.toFixed(0)} µs more; a signature check costs ${checkCost.toFixed(0)} µs`)
console.log(`memory after ${MANY} users: ${memoryMiB.toFixed(0)} MiB, limit ${MEMORY_LIMIT_MIB}`)
const isGood =
  calls.begin === MANY &&
  calls.mint <= 2 &&
  calls.keys <= 2 &&
  growth < checkCost &&
  memoryMiB < MEMORY_LIMIT_MIB
process.exitCode = isGood ? 0 : 1

/** Calls of a new gateway to SMH and the issuer for a hundred thousand begins. */
async function callsOf(
  tokens: string[],
): Promise<Pick<UpstreamCalls, 'mint' | 'begin'> & { keys: number }> {
  const keysBefore = fixture.issuer.hits().keys
  const before = await fixture.upstreamCalls()
  const server = await startServer(gateway, fixture.environment)
  await begins(server, tokens, MANY)
  await server.close()
  const { mint, begin } = await fixture.upstreamCalls()
  return {
    mint: mint - before.mint,
    begin: begin - before.begin,
    keys: fixture.issuer.hits().keys - keysBefore,
  }
}

/** CPU per begin, in microseconds. */
async function begins(server: MeasuredServer, tokens: string[], count: number): Promise<number> {
  const before = await server.usage()
  await load({ url: server.url, tokens, connections: CONNECTIONS, begins: count })
  const after = await server.usage()
  return (after.cpuMicroseconds - before.cpuMicroseconds) / count
}
