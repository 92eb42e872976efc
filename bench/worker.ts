/**
 * `npm run bench:worker`: the CPU time of a begin in workerd. Three Workers run in one workerd and take turns: a bare
 * fetch handler, bare Hono with the same duties as the gateway, and this Worker as it would be deployed. Takes about
 * three minutes. Prints the table and writes it to RESULTS-worker.md; with `--rounds N` it writes nothing.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { bundleWorker } from '../test/support/bundle-worker.ts'
import { compatibility } from '../test/support/compatibility.ts'
import { startFixture } from './fixture.ts'
import { load, quantile, requestOf } from './load.ts'
import { checkDuties } from './self-check.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string' } } })
const rounds = Number(values.rounds ?? 5)
const CONNECTIONS = 50
const USERS = 200
const WARM_UP = 4_000
/** Turns in a round, and begins of a Worker in each. */
const TURNS = 10
const BEGINS = 400
/** Cold starts of each Worker. */
const STARTS = 5

const titles = {
  gateway: '**this Worker**',
  'hono-duties': 'bare Hono with the same duties',
  bare: 'a bare fetch handler that only forwards the call',
}
type Name = keyof typeof titles
const names = Object.keys(titles) as Name[]

/** What the gateway must not exceed. */
const MOST_TO_HONO = 1.5
const MOST_GZIP_KIB = 90
const MOST_START_UP_MS = 50

const median = (all: readonly number[]) => quantile(all, 0.5)

const fixture = await startFixture()
const tokens = await fixture.tokens(USERS)
const directory = await mkdtemp(join(tmpdir(), 'bench-worker-'))
try {
  const scripts = await bundles(directory)
  const ratios: Record<Name, number[]> = { gateway: [], 'hono-duties': [], bare: [] }
  const cpu: Record<Name, number[]> = { gateway: [], 'hono-duties': [], bare: [] }
  for (let round = 1; round <= rounds; round += 1) {
    const turns = await measureRound(scripts)
    for (const name of names) {
      cpu[name].push(median(turns[name]))
      ratios[name].push(median(turns.gateway.map((own, turn) => own / (turns[name][turn] ?? 0))))
    }
    const figures = names.map((name) => `${name} ${cpu[name].at(-1)?.toFixed(0)}`)
    console.error(`round ${round} of ${rounds}, CPU µs per begin: ${figures.join(', ')}`)
  }
  const cold: Record<Name, number> = { gateway: 0, 'hono-duties': 0, bare: 0 }
  for (const name of names) cold[name] = await coldStart(scripts[name])
  const text = report(scripts, cpu, ratios, cold, await startUpMs())
  console.log(text)
  if (values.rounds === undefined) {
    await writeFile(new URL('./RESULTS-worker.md', import.meta.url), text)
  }
} finally {
  await rm(directory, { recursive: true, force: true })
  await fixture.close()
}

/** The scripts of the Workers, each one module. */
async function bundles(into: string): Promise<Record<Name, string>> {
  await bundleWorker(into)
  const bundled = await Promise.all(
    (['hono-duties', 'bare'] as const).map((name) =>
      build({
        entryPoints: [fileURLToPath(new URL(`./worker/${name}.js`, import.meta.url))],
        bundle: true,
        format: 'esm',
        conditions: ['workerd', 'worker', 'browser'],
        external: ['node:*'],
        write: false,
      }),
    ),
  )
  const [honoDuties, bare] = bundled.map(({ outputFiles }) => outputFiles[0]?.text ?? '')
  return {
    gateway: await readFile(join(into, 'main.js'), 'utf8'),
    'hono-duties': honoDuties ?? '',
    bare: bare ?? '',
  }
}

function workerOptions(name: string, script: string) {
  return {
    name,
    modules: true,
    script,
    ...compatibility,
    bindings: fixture.environment,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
  }
}

function start(workers: ReturnType<typeof workerOptions>[]): Miniflare {
  // The Workers' log lines are read and dropped.
  const options = { workers, cf: false, handleStructuredLogs() {} }
  return new Miniflare(convertV4MiniflareOptions(options as never))
}

/** The CPU time of each Worker's begins, µs, one value for each turn. */
async function measureRound(scripts: Record<Name, string>): Promise<Record<Name, number[]>> {
  const miniflare = start(names.map((name) => workerOptions(name, scripts[name])))
  try {
    await miniflare.ready
    const pid = await workerdOf(process.pid)
    const urls = {} as Record<Name, string>
    for (const name of names) {
      urls[name] = (await miniflare.unsafeGetDirectURL(name)).href.replace(/\/$/, '')
      if (name !== 'bare') await checkDuties(name, urls[name], tokens[0] ?? '')
      await load({ url: urls[name], tokens, connections: CONNECTIONS, begins: WARM_UP })
    }
    const turns: Record<Name, number[]> = { gateway: [], 'hono-duties': [], bare: [] }
    for (let turn = 0; turn < TURNS; turn += 1) {
      for (const name of turn % 2 === 0 ? names : names.toReversed()) {
        const before = await cpuMicroseconds(pid)
        await load({ url: urls[name], tokens, connections: CONNECTIONS, begins: BEGINS })
        turns[name].push(((await cpuMicroseconds(pid)) - before) / BEGINS)
      }
    }
    return turns
  } finally {
    await miniflare.dispose()
  }
}

/** Milliseconds from the start of workerd to the first response to a begin, as a median. */
async function coldStart(script: string): Promise<number> {
  const times: number[] = []
  for (let time = 0; time < STARTS; time += 1) {
    const startedAt = performance.now()
    const miniflare = start([workerOptions('cold', script)])
    try {
      const url = await miniflare.unsafeGetDirectURL('cold')
      const { method, headers, body, path } = requestOf(tokens[0] ?? '')
      const response = await fetch(new URL(path, url), { method, headers, body })
      await response.arrayBuffer()
      if (response.status !== 201) throw new Error(`A cold start responded ${response.status}.`)
      times.push(performance.now() - startedAt)
    } finally {
      await miniflare.dispose()
    }
  }
  return median(times)
}

/** The active time that `wrangler check startup` prints for the gateway, milliseconds: the lowest of several. */
async function startUpMs(): Promise<number> {
  const times: number[] = []
  for (let time = 0; time < STARTS; time += 1) {
    const { stdout } = await promisify(execFile)('npm', ['run', 'startup:worker'])
    const [, active] = /Active: ([\d.]+) ms/.exec(stdout) ?? []
    if (active === undefined) throw new Error(`No start-up time in: ${stdout}`)
    times.push(Number(active))
  }
  return Math.min(...times)
}

/** The id of the workerd that this process started. */
async function workerdOf(parent: number): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    const [, name, rest = ''] = /^\d+ \((.+)\) (.+)$/.exec(stat.trim()) ?? []
    if (name === 'workerd' && Number(rest.split(' ')[1]) === parent) return Number(entry)
  }
  throw new Error('No workerd found. This benchmark needs Linux.')
}

/** User and system time of a process. /proc counts in hundredths of a second. */
async function cpuMicroseconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function report(
  scripts: Record<Name, string>,
  cpu: Record<Name, number[]>,
  ratios: Record<Name, number[]>,
  cold: Record<Name, number>,
  startUp: number,
): string {
  const gzip = (name: Name) => gzipSync(scripts[name]).length / 1024
  const spread = (all: readonly number[], digits: number) =>
    `${median(all).toFixed(digits)} (${Math.min(...all).toFixed(digits)}–${Math.max(...all).toFixed(digits)})`
  return [
    '# Results of `npm run bench:worker`',
    '',
    `${rounds} rounds. In a round three Workers run in one workerd and take ${TURNS} turns of ${BEGINS} begins, by`,
    `${USERS} users over ${CONNECTIONS} connections. CPU time is that of workerd. Medians; in brackets the minimum and`,
    `maximum of all rounds. The first response is that to a begin after a start of workerd, as a median of ${STARTS}.`,
    '',
    '| Figure | This Worker | Target |',
    '|---|---|---|',
    `| CPU per begin ÷ bare Hono with the same duties | ${spread(ratios['hono-duties'], 2)} | ≤ ${MOST_TO_HONO.toFixed(2)} |`,
    `| CPU per begin ÷ a bare fetch handler | ${spread(ratios.bare, 2)} | – |`,
    `| bundle, KiB gzip | ${gzip('gateway').toFixed(1)} | ≤ ${MOST_GZIP_KIB} |`,
    `| start-up, ms (\`npm run startup:worker\`, lowest of ${STARTS}) | ${startUp.toFixed(1)} | < ${MOST_START_UP_MS} |`,
    '',
    '| Worker | CPU µs per begin | first response ms | bundle KiB gzip |',
    '|---|---|---|---|',
    ...names.map(
      (name) =>
        `| ${titles[name]} | ${spread(cpu[name], 0)} | ${cold[name].toFixed(0)} | ${gzip(name).toFixed(1)} |`,
    ),
    '',
  ].join('\n')
}
