import { writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { load, quantile } from './load.ts'
import { pace } from './pace.ts'
import { type MeasuredServer, startServer } from './processes.ts'
import { type Figures, type Measured, report } from './report.ts'
import { type Stage, startStage } from './stage.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    begins: { type: 'string', default: '5000' },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const begins = Number(values.begins)
const CONNECTIONS = 32
const USERS = 1000
/** How long begins come at an even pace, and how long of it one p99 is taken. */
const PACED_SECONDS = 4
const WINDOW_SECONDS = 0.5
const UPSTREAM_SECONDS = 1
/** Begins after which every token was seen and every function is compiled. */
const WARM_UP = 16_000
/** The slowest would take minutes for as many. */
const WARM_UP_SECONDS = 15

/** In the order of their turns. The gateway is what the package has: compiled, as it ships. */
const servers: Record<string, URL> = {
  gateway: new URL('../dist/gateway/runtimes/node/main.js', import.meta.url),
  floor: new URL('./servers/floor.js', import.meta.url),
  fastify: new URL('./servers/fastify.js', import.meta.url),
  express: new URL('./servers/express.js', import.meta.url),
  companion: new URL('./servers/companion.js', import.meta.url),
}
const chosen = Object.entries(servers).filter(
  ([name]) => values.only?.split(',').includes(name) ?? true,
)

const stage = await startStage()
const tokens = await stage.tokens(USERS)
const figures: Figures = Object.fromEntries(chosen.map(([name]) => [name, []]))
for (let round = 1; round <= rounds; round += 1) {
  for (const [name, file] of chosen) {
    const server = await startServer(file, stage.environment)
    const gatewayRate = figures.gateway?.[round - 1]?.beginsPerSecond
    const measured = await measure(server, stage, gatewayRate)
    await server.close()
    figures[name]?.push(measured)
    const { cpuMicroseconds, beginsPerSecond } = measured
    console.error(
      `round ${round} of ${rounds}, ${name}: ${cpuMicroseconds.toFixed(0)} µs, ${beginsPerSecond.toFixed(0)} begins/s`,
    )
  }
}
const pairRates: number[] = []
for (let round = 1; round <= rounds && figures.gateway; round += 1) {
  pairRates.push(await rateOfTwo(stage))
}
await stage.close()

const machine = `${cpus()[0]?.model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`
const text = report(figures, pairRates, {
  machine,
  cores: cpus().length,
  rounds,
  begins,
  users: USERS,
  connections: CONNECTIONS,
})
console.log(text)
if (!values.only) await writeFile(new URL('./RESULTS.md', import.meta.url), text)

/** @param gatewayRate begins/s of the gateway in the same round, unless this is it */
async function measure(
  server: MeasuredServer,
  { upstreamUrl, upstreamCalls }: Stage,
  gatewayRate?: number,
): Promise<Measured> {
  const { url } = server
  const common = { tokens, connections: CONNECTIONS }
  await warmUp(url)
  const callsBefore = await upstreamCalls()
  const before = await server.usage()
  const saturated = await load({ url, ...common, begins })
  const after = await server.usage()
  const callsAfter = await upstreamCalls()
  const { beginsPerSecond } = saturated
  const ownHalf = await addedLatency(url, upstreamUrl, beginsPerSecond / 2)
  const alike =
    gatewayRate !== undefined && gatewayRate < beginsPerSecond
      ? await addedLatency(url, upstreamUrl, gatewayRate / 2)
      : undefined
  return {
    cpuMicroseconds: (after.cpuMicroseconds - before.cpuMicroseconds) / begins,
    beginsPerSecond,
    addedP50: ownHalf.p50,
    addedP99: ownHalf.p99,
    addedP99AtGatewayRate: alike?.p99,
    memoryMiB: after.rssBytes / 2 ** 20,
    upstreamCalls: (callsAfter.begin - callsBefore.begin) / begins,
  }
}

/**
 * Milliseconds on top of what the upstream takes by itself, at so many begins a second. The p99 is that
 * of the middle one of many short times: a shared machine stands still now and then, for longer than
 * any of the servers takes, and of a long time that alone would be told.
 */
async function addedLatency(url: string, upstreamUrl: string, rate: number) {
  const path = '/api/v1/file/x'
  const upstream = await pace({ url: upstreamUrl, path, tokens, rate, seconds: UPSTREAM_SECONDS })
  const { times } = await pace({ url, tokens, rate, seconds: PACED_SECONDS })
  const ofUpstream = quantile(upstream.times, 0.5)
  const p99s = inParts(times, Math.ceil(rate * WINDOW_SECONDS)).map((some) => quantile(some, 0.99))
  return { p50: quantile(times, 0.5) - ofUpstream, p99: quantile(p99s, 0.5) - ofUpstream }
}

/** In pieces of `length`, without a shorter one at the end. */
function inParts<T>(all: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.floor(all.length / length) }, (_, number) =>
    all.slice(number * length, (number + 1) * length),
  )
}

/** With begins until there were enough of them, or it has taken long enough. */
async function warmUp(url: string): Promise<void> {
  const endsAt = performance.now() + WARM_UP_SECONDS * 1000
  const some = WARM_UP / 16
  for (let done = 0; done < WARM_UP && performance.now() < endsAt; done += some) {
    await load({ url, tokens, connections: CONNECTIONS, begins: some })
  }
}

/** Begins a second of two processes of the gateway, each with half of the load. */
async function rateOfTwo({ environment }: Stage): Promise<number> {
  const file = servers.gateway as URL
  const two = await Promise.all([startServer(file, environment), startServer(file, environment)])
  const share = { tokens, connections: CONNECTIONS / 2 }
  const loadBoth = (amount: number) =>
    Promise.all(two.map(({ url }) => load({ url, ...share, begins: amount / 2 })))
  await Promise.all(two.map(({ url }) => warmUp(url)))
  const rates = await loadBoth(begins)
  await Promise.all(two.map((server) => server.close()))
  return rates.reduce((sum, { beginsPerSecond }) => sum + beginsPerSecond, 0)
}
