/**
 * `npm run bench`: measures this gateway beside the servers of `baselines/`, in turns. Takes about
 * 15 minutes. Prints the tables and writes them to RESULTS.md; with `--only NAMES` it writes nothing.
 * `--rounds N` and `--begins N` shorten a run.
 */
import { writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { type Fixture, startFixture } from './fixture.ts'
import { load, quantile } from './load.ts'
import { openLoopLoad } from './open-loop-load.ts'
import { type MeasuredServer, startServer } from './processes.ts'
import { type Figures, type Measured, report } from './report.ts'

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
/** How long the open-loop load lasts, and the window of one p99. */
const OPEN_LOOP_SECONDS = 4
const WINDOW_SECONDS = 0.5
const UPSTREAM_SECONDS = 1
/** Begins after which every token is cached and every function is compiled. */
const WARM_UP = 16_000
/** Limits the warm-up of the slowest server, which would take minutes. */
const WARM_UP_SECONDS = 15

/** In the order of their turns. The gateway is the compiled one of the package. */
const servers: Record<string, URL> = {
  gateway: new URL('../dist/gateway/runtimes/node/main.js', import.meta.url),
  floor: new URL('./baselines/floor.js', import.meta.url),
  fastify: new URL('./baselines/fastify.js', import.meta.url),
  express: new URL('./baselines/express.js', import.meta.url),
  companion: new URL('./baselines/companion.js', import.meta.url),
}
const chosen = Object.entries(servers).filter(
  ([name]) => values.only?.split(',').includes(name) ?? true,
)

const fixture = await startFixture()
const tokens = await fixture.tokens(USERS)
const figures: Figures = Object.fromEntries(chosen.map(([name]) => [name, []]))
for (let round = 1; round <= rounds; round += 1) {
  for (const [name, file] of chosen) {
    const server = await startServer(file, fixture.environment)
    const gatewayRate = figures.gateway?.[round - 1]?.beginsPerSecond
    const measured = await measure(server, fixture, gatewayRate)
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
  pairRates.push(await rateOfTwo(fixture))
}
await fixture.close()

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

/** @param gatewayRate begins/s of the gateway in the same round; undefined for the gateway itself */
async function measure(
  server: MeasuredServer,
  { upstreamUrl, upstreamCalls }: Fixture,
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
  const atGatewayRate =
    gatewayRate !== undefined && gatewayRate < beginsPerSecond
      ? await addedLatency(url, upstreamUrl, gatewayRate / 2)
      : undefined
  return {
    cpuMicroseconds: (after.cpuMicroseconds - before.cpuMicroseconds) / begins,
    beginsPerSecond,
    addedP50: ownHalf.p50,
    addedP99: ownHalf.p99,
    addedP99AtGatewayRate: atGatewayRate?.p99,
    memoryMiB: after.rssBytes / 2 ** 20,
    upstreamCalls: (callsAfter.begin - callsBefore.begin) / begins,
  }
}

/**
 * Milliseconds above the latency of the upstream alone, at this rate of begins per second. The p99 is the
 * median of the p99s of many short windows: a shared machine pauses now and then for longer than any of
 * the servers takes, and those pauses alone would decide the p99 of one long window.
 */
async function addedLatency(url: string, upstreamUrl: string, rate: number) {
  const path = '/api/v1/file/x'
  const upstream = await openLoopLoad({
    url: upstreamUrl,
    path,
    tokens,
    rate,
    seconds: UPSTREAM_SECONDS,
  })
  const { times } = await openLoopLoad({ url, tokens, rate, seconds: OPEN_LOOP_SECONDS })
  const ofUpstream = quantile(upstream.times, 0.5)
  const p99s = inParts(times, Math.ceil(rate * WINDOW_SECONDS)).map((some) => quantile(some, 0.99))
  return { p50: quantile(times, 0.5) - ofUpstream, p99: quantile(p99s, 0.5) - ofUpstream }
}

/** Splits into pieces of `length`, without the shorter rest. */
function inParts<T>(all: readonly T[], length: number): T[][] {
  return Array.from({ length: Math.floor(all.length / length) }, (_, number) =>
    all.slice(number * length, (number + 1) * length),
  )
}

/** Sends begins until there are enough, at most for {@link WARM_UP_SECONDS}. */
async function warmUp(url: string): Promise<void> {
  const endsAt = performance.now() + WARM_UP_SECONDS * 1000
  const some = WARM_UP / 16
  for (let done = 0; done < WARM_UP && performance.now() < endsAt; done += some) {
    await load({ url, tokens, connections: CONNECTIONS, begins: some })
  }
}

/** Begins per second of two processes of the gateway, each with half of the load. */
async function rateOfTwo({ environment }: Fixture): Promise<number> {
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
