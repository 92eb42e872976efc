import { quantile } from './load.ts'
import type { Measured, Round } from './measure.ts'

interface Circumstances {
  machine: string
  cores: number
  rounds: number
  begins: number
  users: number
  connections: number
  hasInstructions: boolean
}

const titles: Record<string, string> = {
  gateway: '**this gateway**, as packaged',
  vs: 'the gateway of the other checkout',
  redis: 'this gateway with its ledger in Redis',
  'by-hand': 'the same duties by hand: `node:http`, zod, undici, pino',
  'fastify-duties': 'the same duties on Fastify: ajv, fast-json-stringify, its logger',
  floor: 'the floor: `node:http` + undici, a cached token, nothing else',
  express: 'Express + express-oauth2-jwt-bearer + axios, no other duties',
  companion: 'Uppy Companion, S3 multipart begin, no user checked',
}

const median = (values: readonly number[]) => quantile(values, 0.5)

/** The columns: a title, the value of a round, and its digits. */
const columns: [
  title: string,
  value: (measured: Measured) => number | undefined,
  digits: number,
][] = [
  ['CPU µs per begin', ({ cpuMicroseconds }) => median(cpuMicroseconds), 0],
  ['begins/s', ({ beginsPerSecond }) => median(beginsPerSecond), 0],
  ['added p50 ms', ({ addedP50 }) => medianOrNothing(addedP50), 2],
  ['added p99 ms', ({ addedP99 }) => medianOrNothing(addedP99), 2],
  ['memory MiB', ({ memoryMiB }) => memoryMiB, 0],
  ['upstream calls per begin', ({ upstreamCalls }) => upstreamCalls, 3],
  ['instructions per begin', ({ instructions }) => instructions, 0],
]

function medianOrNothing(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : median(values)
}

/** What the gateway must not exceed. */
const targets: [to: string, text: string, key: 'cpuMicroseconds' | 'addedP99', most: number][] = [
  ['by-hand', 'CPU per begin ÷ the same duties by hand', 'cpuMicroseconds', 1.2],
  ['fastify-duties', 'CPU per begin ÷ the same duties on Fastify', 'cpuMicroseconds', 1.15],
  ['express', 'CPU per begin ÷ Express', 'cpuMicroseconds', 0.3],
  ['by-hand', 'added p99 ÷ the same duties by hand', 'addedP99', 1.5],
]

/** Most CPU time that the ledger in Redis may add to a begin, µs. */
const MOST_REDIS_MICROSECONDS = 40

/** Most memory above the floor's, MiB. */
const MOST_MEMORY_MIB = 100

/** Formats the rounds as Markdown. */
export function report(
  rounds: readonly Round[],
  pairRates: readonly number[],
  facts: Circumstances,
): string {
  const names = Object.keys(rounds[0] ?? {})
  return [
    '# Results of `npm run bench`',
    '',
    `${facts.machine}. ${facts.rounds} rounds, each with new processes and a warm-up.`,
    `In a round the servers run side by side and take turns: ${facts.begins} begins for each, by ${facts.users} users over`,
    `${facts.connections} connections. The load and the upstream share the machine with the servers, so begins/s is a lower`,
    'bound. Added latency is the latency of a begin above that of the upstream, with the same begins/s for all:',
    'half of what the gateway can do.',
    '',
    '## This gateway and its targets',
    '',
    'Medians of the ratios of each round; in brackets the minimum and maximum of all rounds. A ratio of a round is the',
    'median of the ratios of its turns.',
    '',
    '| Figure | This gateway | Target |',
    '|---|---|---|',
    ...targets.flatMap((target) => targetRow(rounds, ...target)),
    ...memoryRow(rounds),
    ...redisRow(rounds),
    ...comparisonRows(rounds),
    '',
    '## All figures',
    '',
    'Medians; in brackets the minimum and maximum of all rounds. The floor has none of the duties, Express and',
    'Companion have few of them.',
    ...(facts.hasInstructions ? [] : ['This machine cannot count instructions.']),
    '',
    `| Server | ${columns.map(([title]) => title).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...names.map((name) => serverRow(rounds, name)),
    '',
    ...(pairRates.length === 0
      ? []
      : [
          `Two processes of this gateway, each with half of the load: ${spread(pairRates, 0)} begins/s.`,
          `They, the load and the upstream share ${facts.cores} cores.`,
          '',
        ]),
  ].join('\n')
}

function targetRow(
  rounds: readonly Round[],
  to: string,
  text: string,
  key: 'cpuMicroseconds' | 'addedP99',
  most: number,
): string[] {
  const ratios = ratiosTo(rounds, to, key)
  return ratios.length === 0 ? [] : [`| ${text} | ${spread(ratios, 2)} | ≤ ${most.toFixed(2)} |`]
}

function memoryRow(rounds: readonly Round[]): string[] {
  const more = rounds.flatMap(({ gateway, floor }) =>
    gateway && floor ? [gateway.memoryMiB - floor.memoryMiB] : [],
  )
  if (more.length === 0) return []
  return [`| memory above the floor's, MiB | ${spread(more, 0)} | ≤ ${MOST_MEMORY_MIB} |`]
}

/** What Redis adds: for each round, the median of the differences of its turns. */
function redisRow(rounds: readonly Round[]): string[] {
  const added = rounds.flatMap(({ gateway, redis }) => {
    if (!gateway || !redis) return []
    const differences = redis.cpuMicroseconds.flatMap((cpu, turn) => {
      const own = gateway.cpuMicroseconds[turn]
      return own === undefined ? [] : [cpu - own]
    })
    return [median(differences)]
  })
  if (added.length === 0) return []
  return [
    `| CPU per begin that Redis adds, µs | ${spread(added, 0)} | ≤ ${MOST_REDIS_MICROSECONDS} |`,
  ]
}

/** The ratios that have no target. */
function comparisonRows(rounds: readonly Round[]): string[] {
  return ['vs', 'floor', 'companion'].flatMap((to) => {
    const ratios = ratiosTo(rounds, to, 'cpuMicroseconds')
    return ratios.length === 0
      ? []
      : [`| CPU per begin ÷ ${titles[to]} | ${spread(ratios, 2)} | – |`]
  })
}

/** For each round: the median of the ratios of its turns. */
function ratiosTo(
  rounds: readonly Round[],
  to: string,
  key: 'cpuMicroseconds' | 'addedP99',
): number[] {
  return rounds.flatMap((round) => {
    const others = round[to]?.[key] ?? []
    const ratios = (round.gateway?.[key] ?? []).flatMap((own, turn) => {
      const other = others[turn]
      return other === undefined ? [] : [own / other]
    })
    return ratios.length === 0 ? [] : [median(ratios)]
  })
}

function serverRow(rounds: readonly Round[], name: string): string {
  const cells = columns.map(([, figure, digits]) => {
    const values = rounds.flatMap((round) => {
      const measured = round[name]
      const value = measured && figure(measured)
      return value === undefined ? [] : [value]
    })
    return values.length === 0 ? '–' : spread(values, digits)
  })
  return `| ${[titles[name], ...cells].join(' | ')} |`
}

/** `median (min–max)` */
function spread(values: readonly number[], digits: number): string {
  const text = (value: number) => value.toFixed(digits)
  return `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`
}
