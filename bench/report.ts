import { quantile } from './load.ts'

/** The measurements of one server in one round. */
export interface Measured {
  /** User and system time of the process, for one begin. */
  cpuMicroseconds: number
  beginsPerSecond: number
  /** Milliseconds above the upstream's latency, at half of the server's begins/s. */
  addedP50: number
  addedP99: number
  /** At half of the gateway's begins/s in the same round; undefined for the gateway and for slower servers. */
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
  floor: 'the floor: `node:http` + undici, a cached token, nothing else',
  gateway: '**this gateway**, as packaged',
  fastify: 'Fastify + @fastify/jwt with its cache + undici',
  express: 'Express + express-oauth2-jwt-bearer + axios',
  companion: 'Uppy Companion, S3 multipart begin, no user checked',
}

const columns: [title: string, key: keyof Measured, digits: number][] = [
  ['CPU µs per begin', 'cpuMicroseconds', 0],
  ['begins/s', 'beginsPerSecond', 0],
  ['added p50 ms', 'addedP50', 2],
  ['added p99 ms', 'addedP99', 2],
  ["p99 at the gateway's rate", 'addedP99AtGatewayRate', 2],
  ['memory MiB', 'memoryMiB', 0],
  ['upstream calls per begin', 'upstreamCalls', 3],
]

/** Formats the figures as Markdown: medians, the smallest and largest of all rounds, and ratios. */
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
    `${facts.users} users over ${facts.connections} connections. Medians; in brackets the minimum and maximum of all rounds. The load and`,
    'the upstream share the machine with the server, so begins/s is a lower bound. Added latency is the latency',
    "of a begin above the upstream's, at half of the begins/s of its own row. Servers that are faster than this",
    'gateway are also measured at half of its begins/s. A p99 is the median of the p99s of many windows of half',
    'a second, because the machine itself pauses for some milliseconds now and then.',
    '',
    `| Server | ${columns.map(([title]) => title).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...rows,
    '',
    'This gateway, as a multiple of the others (median of the ratios of each round):',
    '',
    "| To | CPU per begin | added p99, each at its own rate | added p99, both at the gateway's |",
    '|---|---|---|---|',
    ...ratios,
    '',
    `Two processes of this gateway, each with half of the load: ${median(pairRates).toFixed(0)} begins/s`,
    `(${Math.min(...pairRates).toFixed(0)}–${Math.max(...pairRates).toFixed(0)}). They, the load and the upstream share ${facts.cores} cores.`,
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
