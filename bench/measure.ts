import type { UpstreamCalls } from './fixture.ts'
import { countInstructions } from './instructions.ts'
import { load, quantile } from './load.ts'
import { openLoopLoad } from './open-loop-load.ts'
import type { MeasuredServer } from './processes.ts'

/** A server that runs, and its name in the report. */
export interface Server {
  name: string
  process: MeasuredServer
}

/** The measurements of one server in one round. The first two have a value for each turn. */
export interface Measured {
  /** User and system time of the process, for one begin. */
  cpuMicroseconds: number[]
  beginsPerSecond: number[]
  /** Milliseconds above the upstream's latency, at half of the gateway's begins/s. One for each turn. */
  addedP50: number[]
  addedP99: number[]
  /** Undefined where the machine does not count them. */
  instructions: number | undefined
  upstreamCalls: number
  memoryMiB: number
}

/** By the server's name. */
export type Round = Record<string, Measured>

/**
 * Turns of each server in a round. Neighbours on the machine disturb some of them. So the turns are short, and a
 * server is compared with what the others took in the same turn.
 */
const TURNS = 20
const LATENCY_TURNS = 6
const LATENCY_SECONDS = 1
const UPSTREAM_SECONDS = 0.5

/** Begins after which every token is cached and every function is compiled. */
const WARM_UP = 16_000
/** Limits the warm-up of the slowest server, which would take minutes. */
const WARM_UP_SECONDS = 15

interface Load {
  tokens: readonly string[]
  connections: number
}

/** Sends begins until there are enough, at most for {@link WARM_UP_SECONDS}. */
export async function warmUp(
  url: string,
  tokens: readonly string[],
  connections: number,
): Promise<void> {
  const endsAt = performance.now() + WARM_UP_SECONDS * 1000
  const some = WARM_UP / 16
  for (let done = 0; done < WARM_UP && performance.now() < endsAt; done += some) {
    await load({ url, tokens, connections, begins: some })
  }
}

/** Loads one server after the other, as fast as it responds, in {@link TURNS} turns. */
export async function loadInTurns(
  servers: readonly Server[],
  options: Load & {
    /** Of each server, in all turns together. */
    begins: number
    upstreamCalls: () => Promise<UpstreamCalls>
    hasInstructions: boolean
  },
): Promise<Round> {
  const { tokens, connections, upstreamCalls, hasInstructions } = options
  const begins = Math.ceil(options.begins / TURNS)
  const round: Round = {}
  for (const { name, process } of servers) {
    const before = await upstreamCalls()
    const stop = hasInstructions ? await countInstructions(process.pid) : undefined
    await load({ url: process.url, tokens, connections, begins })
    const instructions = await stop?.()
    const after = await upstreamCalls()
    round[name] = {
      cpuMicroseconds: [],
      beginsPerSecond: [],
      addedP50: [],
      addedP99: [],
      instructions: instructions === undefined ? undefined : instructions / begins,
      upstreamCalls: (after.begin - before.begin) / begins,
      memoryMiB: 0,
    }
  }
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const { name, process } of orderOf(servers, turn)) {
      const before = await process.usage()
      const { beginsPerSecond } = await load({ url: process.url, tokens, connections, begins })
      const after = await process.usage()
      const measured = round[name]
      measured?.cpuMicroseconds.push((after.cpuMicroseconds - before.cpuMicroseconds) / begins)
      measured?.beginsPerSecond.push(beginsPerSecond)
    }
  }
  return round
}

/** The servers in the order of this turn. Each has every place, because the place changes what a server takes. */
function orderOf(servers: readonly Server[], turn: number): Server[] {
  const first = turn % servers.length
  const rotated = [...servers.slice(first), ...servers.slice(0, first)]
  return Math.floor(turn / servers.length) % 2 === 0 ? rotated : rotated.toReversed()
}

/** Adds the latency of these servers to the round, each at the same rate of begins per second. */
export async function latencyInTurns(
  servers: readonly Server[],
  round: Round,
  options: { tokens: readonly string[]; rate: number; upstreamUrl: string },
): Promise<void> {
  const { tokens, rate, upstreamUrl } = options
  for (let turn = 0; turn < LATENCY_TURNS; turn += 1) {
    const upstream = await openLoopLoad({
      url: upstreamUrl,
      path: '/api/v1/file/x',
      tokens,
      rate,
      seconds: UPSTREAM_SECONDS,
    })
    const ofUpstream = quantile(upstream.times, 0.5)
    for (const { name, process } of orderOf(servers, turn)) {
      const { times } = await openLoopLoad({
        url: process.url,
        tokens,
        rate,
        seconds: LATENCY_SECONDS,
      })
      round[name]?.addedP50.push(quantile(times, 0.5) - ofUpstream)
      round[name]?.addedP99.push(quantile(times, 0.99) - ofUpstream)
    }
  }
}
