/**
 * `npm run bench`: measures this gateway beside the servers of `baselines/`. Takes about 15 minutes. Prints the
 * tables and writes them to RESULTS.md; with `--only`, `--vs`, `--redis` or `--cpu-only` it writes nothing.
 *
 * - `--rounds N`, `--begins N`: rounds, and begins of each server in a round
 * - `--only NAMES`: only these servers, separated by commas
 * - `--vs DIR`: measures the compiled gateway of another checkout, or of its `dist`, as well
 * - `--cpu-only`: no latency
 * - `--redis`: measures this gateway with its ledger in Redis as well. Needs `redis-server`
 */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { startRedis } from '../test/support/redis-server.ts'
import { type Fixture, startFixture } from './fixture.ts'
import { instructionsAvailable } from './instructions.ts'
import { checkJudges } from './judge-check.ts'
import { load, quantile } from './load.ts'
import { latencyInTurns, loadInTurns, type Round, type Server, warmUp } from './measure.ts'
import { startServer } from './processes.ts'
import { report } from './report.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    begins: { type: 'string', default: '10000' },
    only: { type: 'string' },
    vs: { type: 'string' },
    'cpu-only': { type: 'boolean', default: false },
    redis: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const begins = Number(values.begins)
const cpuOnly = values['cpu-only']
const CONNECTIONS = 50
const USERS = 200

const gateway = commandIn(fileURLToPath(new URL('../dist', import.meta.url)))
const servers: Record<string, URL> = {
  gateway,
  ...(values.redis && { redis: gateway }),
  ...(values.vs && { vs: commandIn(values.vs) }),
  'by-hand': new URL('./baselines/by-hand.js', import.meta.url),
  'fastify-duties': new URL('./baselines/fastify-duties.js', import.meta.url),
  floor: new URL('./baselines/floor.js', import.meta.url),
  express: new URL('./baselines/express.js', import.meta.url),
  companion: new URL('./baselines/companion.js', import.meta.url),
}
const chosen = Object.entries(servers).filter(
  ([name]) => values.only?.split(',').includes(name) ?? true,
)

/** The command of the compiled package, which has the flags that the gateway runs with. */
function commandIn(folder: string): URL {
  const candidates = ['command/main.js', 'dist/command/main.js'].map((file) => join(folder, file))
  const found = candidates.find((file) => existsSync(file))
  if (!found) throw new Error(`No compiled gateway in ${folder}: run npm run build there.`)
  return pathToFileURL(found)
}

/** Servers with the same duties as the gateway, measured at its rate of begins too. */
const withDuties = new Set(['gateway', 'vs', 'by-hand', 'fastify-duties'])

const hasInstructions = await instructionsAvailable()
const fixture = await startFixture()
const redis = values.redis ? await startRedis() : undefined
// Metrics are off by default. The servers with the same duties count them, so all are measured with them.
Object.assign(fixture.environment, { ADMIN_PORT: '0', UPLOAD_ALLOWED_EXTENSIONS: 'jpg,mov,mp4' })
const judges = chosen.filter(([name]) => name === 'by-hand' || name === 'fastify-duties')
if (judges.length > 0) {
  await checkJudges(servers.gateway as URL, Object.fromEntries(judges), fixture)
}
const tokens = await fixture.tokens(USERS)
const all: Round[] = []
for (let number = 1; number <= rounds; number += 1) {
  const round = await measureRound(fixture)
  all.push(round)
  const cpu = Object.entries(round).map(
    ([name, { cpuMicroseconds }]) => `${name} ${quantile(cpuMicroseconds, 0.5).toFixed(0)}`,
  )
  console.error(`round ${number} of ${rounds}, CPU µs per begin: ${cpu.join(', ')}`)
}
const pairRates: number[] = []
if (!values.only && !cpuOnly) {
  for (let number = 1; number <= rounds; number += 1) pairRates.push(await rateOfTwo(fixture))
}
await fixture.close()
await redis?.kill()

const machine = `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`
const text = report(all, pairRates, {
  machine,
  cores: cpus().length,
  rounds,
  begins,
  users: USERS,
  connections: CONNECTIONS,
  hasInstructions,
})
console.log(text)
if (!values.only && !values.vs && !redis && !cpuOnly) {
  await writeFile(new URL('./RESULTS.md', import.meta.url), text)
}

/** Starts all servers, warms them up, and measures them in turns. */
async function measureRound({ environment, upstreamUrl, upstreamCalls }: Fixture): Promise<Round> {
  const running: Server[] = []
  for (const [name, file] of chosen) {
    const more: Record<string, string> = name === 'redis' && redis ? { REDIS_URL: redis.url } : {}
    running.push({ name, process: await startServer(file, { ...environment, ...more }) })
  }
  for (const { process } of running) {
    await warmUp(process.url, tokens, CONNECTIONS)
  }
  const common = { tokens, connections: CONNECTIONS }
  const round = await loadInTurns(running, { ...common, begins, upstreamCalls, hasInstructions })
  const rates = round.gateway?.beginsPerSecond
  if (!cpuOnly && rates) {
    const rate = quantile(rates, 0.5) / 2
    const compared = running.filter(({ name }) => withDuties.has(name) || name === 'floor')
    await latencyInTurns(compared, round, { tokens, rate, upstreamUrl })
  }
  for (const { name, process } of running) {
    const measured = round[name]
    if (measured) measured.memoryMiB = (await process.usage()).rssBytes / 2 ** 20
    await process.close()
  }
  return round
}

/** Begins per second of two processes of the gateway, each with half of the load. */
async function rateOfTwo({ environment }: Fixture): Promise<number> {
  const file = servers.gateway as URL
  const two = await Promise.all([startServer(file, environment), startServer(file, environment)])
  const share = { tokens, connections: CONNECTIONS / 2 }
  const loadBoth = (amount: number) =>
    Promise.all(two.map(({ url }) => load({ url, ...share, begins: amount / 2 })))
  await Promise.all(two.map(({ url }) => warmUp(url, tokens, CONNECTIONS / 2)))
  const rates = await loadBoth(begins)
  await Promise.all(two.map((server) => server.close()))
  return rates.reduce((sum, { beginsPerSecond }) => sum + beginsPerSecond, 0)
}
