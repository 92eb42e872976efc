import { quantile } from './load.ts'

/** What one server came to in one round. */
export interface Measured {
  /** User and system time of the process, for one begin. */
  cpuMicroseconds: number
  beginsPerSecond: number
  /** Milliseconds on top of what the upstream takes, at half of what the server can do. */
  addedP50: number
  addedP99: number
  /** At half of what the gateway could do in the same round; none for it, nor for those that can do less. */
  addedP99AtGatewayRate: number | undefined
  memoryMiB: number
  upstreamCalls: number
}

export type Figures = Record<string, Measured[]>

interface Circumstances {
  machine: string
  cores: number
  rounds: number
  begins: number
  users: number
  connections: number
}

const titles: Record<string, string> = {
  floor: 'the floor: `node:http` + undici, a remembered token, nothing else',
  gateway: '**this gateway**, as it ships',
  fastify: 'Fastify + @fastify/jwt with its cache + undici',
  express: 'Express + express-oauth2-jwt-bearer + axios',
  companion: 'Uppy Companion, S3 multipart begin, no user checked',
}

const columns: [title: string, key: keyof Measured, digits: number][] = [
  ['CPU µs a begin', 'cpuMicroseconds', 0],
  ['begins/s', 'beginsPerSecond', 0],
  ['added p50 ms', 'addedP50', 2],
  ['added p99 ms', 'addedP99', 2],
  ["p99 at the gateway's rate", 'addedP99AtGatewayRate', 2],
  ['memory MiB', 'memoryMiB', 0],
  ['upstream calls a begin', 'upstreamCalls', 3],
]

/** The figures as Markdown: medians, with the smallest and the largest of all rounds, and ratios. */
export function report(
  figures: Figures,
  pairRates: readonly number[],
  facts: Circumstances,
): string {
  const rows = Object.entries(figures).map(([name, all]) => {
    const cells = columns.map(([, key, digits]) => {
      const values = all.map((measured) => measured[key]).filter((value) => value !== undefined)
      if (values.length < all.length) return '–'
      const text = (value: number) => value.toFixed(digits)
      return `${text(median(values))} (${text(Math.min(...values))}–${text(Math.max(...values))})`
    })
    return `| ${[titles[name], ...cells].join(' | ')} |`
  })
  const ratios = Object.keys(figures)
    .filter((name) => name !== 'gateway')
    .map((name) => {
      const cells = [
        ratio(figures, name, 'cpuMicroseconds'),
        ratio(figures, name, 'addedP99'),
        ratio(figures, name, 'addedP99AtGatewayRate', 'addedP99'),
      ]
      return `| ${[titles[name], ...cells].join(' | ')} |`
    })
  return [
    '# Results of `npm run bench`',
    '',
    `${facts.machine}. ${facts.rounds} rounds, the servers in turns, each a new process with a warm-up; ${facts.begins} begins by`,
    `${facts.users} users over ${facts.connections} connections. Medians, in brackets the least and the most of all rounds. The load and`,
    'the upstream share the machine with the server, so begins/s is the least that it can do. Added latency is',
    'what a begin takes on top of the upstream, at half of the begins/s of its own row, and of those that can do',
    'more than this gateway at half of its begins/s as well. A p99 is that of the middle one of many half',
    'seconds, because the machine itself stands still for some milliseconds now and then.',
    '',
    `| Server | ${columns.map(([title]) => title).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...rows,
    '',
    'This gateway, as a multiple of the others (median of the ratios of each round):',
    '',
    "| To | CPU a begin | added p99, each at its own rate | added p99, both at the gateway's |",
    '|---|---|---|---|',
    ...ratios,
    '',
    `Two processes of this gateway, each with half of the load: ${median(pairRates).toFixed(0)} begins/s`,
    `(${Math.min(...pairRates).toFixed(0)}–${Math.max(...pairRates).toFixed(0)}). They, the load and the upstream have ${facts.cores} cores between them.`,
    '',
  ].join('\n')
}

function ratio(
  figures: Figures,
  to: string,
  key: keyof Measured,
  own: keyof Measured = key,
): string {
  const ratios = (figures.gateway ?? []).flatMap((gateway, round) => {
    const mine = gateway[own]
    const other = figures[to]?.[round]?.[key]
    return mine === undefined || other === undefined ? [] : [mine / other]
  })
  return ratios.length === 0 ? '–' : median(ratios).toFixed(2)
}

const median = (values: readonly number[]) => quantile(values, 0.5)
