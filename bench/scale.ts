/**
 * What grows with the number of users: the CPU of a begin and the memory, by ten users and by a hundred
 * thousand, more than any memory of the gateway holds; and what is asked of others meanwhile. A user
 * who is not remembered costs the check of a signature, which the same run measures; more is too much.
 */
import { load, quantile } from './load.ts'
import { type MeasuredServer, startServer } from './processes.ts'
import { startStage, type UpstreamCalls } from './stage.ts'

const ROUNDS = 10
const FEW = 10
const MANY = 100_000
const BEGINS = MANY / ROUNDS
const CONNECTIONS = 32
const WARM_UP = 16_000
const MEMORY_LIMIT_MIB = 200

const gateway = new URL('../dist/gateway/runtimes/node/main.js', import.meta.url)
const stage = await startStage()
const many = await stage.tokens(MANY)
// Each connection takes those that are its own; so there have to be some for all of them.
const few = Array.from({ length: 1000 }, (_, number) => many[number % FEW] ?? '')
const some = many.slice(0, 1000)

const calls = await callsOf(some)
const usual = await startServer(gateway, stage.environment)
const forgetful = await startServer(gateway, { ...stage.environment, JWT_CACHE_SECONDS: '0' })
for (const server of [usual, forgetful]) await begins(server, few, WARM_UP)

const byFew: number[] = []
const byMany: number[] = []
const checked: number[] = []
for (let round = 0; round < ROUNDS; round += 1) {
  byFew.push(await begins(usual, few, BEGINS))
  byMany.push(await begins(usual, many.slice(round * BEGINS, (round + 1) * BEGINS), BEGINS))
  checked.push(await begins(forgetful, few, BEGINS))
}
const memoryMiB = (await usual.usage()).rssBytes / 2 ** 20
await Promise.all([usual.close(), forgetful.close()])
await stage.close()

const median = (values: number[]) => quantile(values, 0.5)
const text = (values: number[]) =>
  `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}) µs`
const checkCost = median(checked.map((cost, round) => cost - (byFew[round] ?? Number.NaN)))
const growth = median(byMany.map((cost, round) => cost - (byFew[round] ?? Number.NaN)))
console.log(
  `${calls.begin} begins by ${some.length} users: ${(calls.begin / MANY).toFixed(3)} calls of SMH a begin,`,
)
console.log(`  ${calls.mint} mints, ${calls.keys} fetches of the key set`)
console.log(`CPU a begin, by ${FEW} users: ${text(byFew)}; by ${MANY}: ${text(byMany)}`)
console.log(
  `  ${growth.toFixed(0)} µs more; the check of a signature costs ${checkCost.toFixed(0)} µs`,
)
console.log(
  `memory after ${MANY} users: ${memoryMiB.toFixed(0)} MiB, ${MEMORY_LIMIT_MIB} is the limit`,
)
const isGood =
  calls.begin === MANY &&
  calls.mint <= 2 &&
  calls.keys <= 2 &&
  growth < checkCost &&
  memoryMiB < MEMORY_LIMIT_MIB
process.exitCode = isGood ? 0 : 1

/** What a fresh gateway asks of others for a hundred thousand begins. */
async function callsOf(tokens: string[]): Promise<UpstreamCalls & { keys: number }> {
  const keysBefore = stage.issuer.hits().keys
  const before = await stage.upstreamCalls()
  const server = await startServer(gateway, stage.environment)
  await begins(server, tokens, MANY)
  await server.close()
  const { mint, begin } = await stage.upstreamCalls()
  return {
    mint: mint - before.mint,
    begin: begin - before.begin,
    keys: stage.issuer.hits().keys - keysBefore,
  }
}

/** CPU of a begin, microseconds. */
async function begins(server: MeasuredServer, tokens: string[], count: number): Promise<number> {
  const before = await server.usage()
  await load({ url: server.url, tokens, connections: CONNECTIONS, begins: count })
  const after = await server.usage()
  return (after.cpuMicroseconds - before.cpuMicroseconds) / count
}
