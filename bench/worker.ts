/**
 * `npm run bench:worker`: the CPU time of a begin in workerd. Three Workers run in one workerd and take turns: a bare
 * fetch handler, bare Hono with the same duties as the gateway, and this Worker as it would be deployed. Takes about
 * two minutes. Prints the table and writes it to RESULTS-worker.md; with `--rounds N` it writes nothing.
 */
import assert from 'node:assert/strict'
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

/** The measurements of one Worker in one turn. */
interface Turn {
  cpuMicroseconds: number
  beginsPerSecond: number
}

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
  const rates: Record<Name, number[]> = { gateway: [], 'hono-duties': [], bare: [] }
  for (let round = 1; round <= rounds; round += 1) {
    const turns = await measureRound(scripts)
    for (const name of names) {
      const costs = turns[name].map(({ cpuMicroseconds }) => cpuMicroseconds)
      cpu[name].push(median(costs))
      rates[name].push(median(turns[name].map(({ beginsPerSecond }) => beginsPerSecond)))
      ratios[name].push(
        median(turns.gateway.map((own, turn) => own.cpuMicroseconds / (costs[turn] as number))),
      )
    }
    const figures = names.map((name) => `${name} ${cpu[name].at(-1)?.toFixed(0)}`)
    console.error(`round ${round} of ${rounds}, CPU µs per begin: ${figures.join(', ')}`)
  }
  const cold: Record<Name, number> = { gateway: 0, 'hono-duties': 0, bare: 0 }
  for (const name of names) cold[name] = await coldStart(scripts[name])
  const text = report(scripts, { cpu, rates, ratios, cold, startUp: await startUpMs() })
  console.log(text)
  if (values.rounds === undefined) {
    await writeFile(new URL('./RESULTS-worker.md', import.meta.url), text)
  }
} finally {
  await rm(directory, { recursive: true, force: true })
  await fixture.close()
}

/** The scripts of the Workers, each one module, minified as wrangler.toml says. */
async function bundles(into: string): Promise<Record<Name, string>> {
  await bundleWorker(into)
  const bundled = await Promise.all(
    (['hono-duties', 'bare'] as const).map((name) =>
      build({
        entryPoints: [fileURLToPath(new URL(`./worker/${name}.js`, import.meta.url))],
        bundle: true,
        minify: true,
        define: { process: 'undefined' },
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
    // No rate-limit bindings: Miniflare imitates them with a Worker of its own, which costs more than a begin.
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
  }
}

function start(workers: ReturnType<typeof workerOptions>[]): Miniflare {
  // The Workers' log lines are read and dropped.
  const options = { workers, cf: false, handleStructuredLogs() {} }
  return new Miniflare(convertV4MiniflareOptions(options as never))
}

/** The turns of each Worker in a fresh workerd. */
async function measureRound(scripts: Record<Name, string>): Promise<Record<Name, Turn[]>> {
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
    const [own, others] = await Promise.all([fieldsOf(urls.gateway), fieldsOf(urls['hono-duties'])])
    assert.deepEqual(own, others, 'The Workers respond with different fields.')
    const turns: Record<Name, Turn[]> = { gateway: [], 'hono-duties': [], bare: [] }
    for (let turn = 0; turn < TURNS; turn += 1) {
      for (const name of turn % 2 === 0 ? names : names.toReversed()) {
        const before = await cpuMicroseconds(pid)
        const { beginsPerSecond } = await load({
          url: urls[name],
          tokens,
          connections: CONNECTIONS,
          begins: BEGINS,
        })
        const spent = (await cpuMicroseconds(pid)) - before
        turns[name].push({ cpuMicroseconds: spent / BEGINS, beginsPerSecond })
      }
    }
    return turns
  } finally {
    await miniflare.dispose()
  }
}

/** The fields of a response to a begin. Each Worker signs a confirm key of its own. */
async function fieldsOf(url: string): Promise<object> {
  const { confirmKey, ...fields } = await (await begin(url)).json()
  assert.match(confirmKey, /^[\w.-]{1,512}$/)
  return fields
}

async function begin(url: string | URL): Promise<Response> {
  const { method, headers, body, path } = requestOf(tokens[0] ?? '')
  const response = await fetch(new URL(path, url), { method, headers, body })
  assert.equal(response.status, 201)
  return response
}

/** Milliseconds from the start of workerd to the first response to a begin, as a median. */
async function coldStart(script: string): Promise<number> {
  const times: number[] = []
  for (let time = 0; time < STARTS; time += 1) {
    const startedAt = performance.now()
    const miniflare = start([workerOptions('cold', script)])
    try {
      const response = await begin(await miniflare.unsafeGetDirectURL('cold'))
      await response.arrayBuffer()
      times.push(performance.now() - startedAt)
    } finally {
      await miniflare.dispose()
    }
  }
  return median(times)
}

/** The active times that `wrangler check startup` prints for the gateway, milliseconds. */
async function startUpMs(): Promise<number[]> {
  const times: number[] = []
  for (let time = 0; time < STARTS; time += 1) {
    const { stdout } = await promisify(execFile)('npm', ['run', 'startup:worker'])
    const [, active] = /Active: ([\d.]+) ms/.exec(stdout) ?? []
    if (active === undefined) throw new Error(`No start-up time in: ${stdout}`)
    times.push(Number(active))
  }
  return times
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

/**
 * User and system time of all threads of a process. `/proc/PID/stat` has the same in hundredths of a second, too
 * coarse for a turn; `schedstat` counts nanoseconds.
 */
async function cpuMicroseconds(pid: number): Promise<number> {
  let nanoseconds = 0
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const [onCpu] = (await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')).split(' ')
    nanoseconds += Number(onCpu)
  }
  return nanoseconds / 1000
}

function report(
  scripts: Record<Name, string>,
  figures: {
    cpu: Record<Name, number[]>
    rates: Record<Name, number[]>
    ratios: Record<Name, number[]>
    cold: Record<Name, number>
    startUp: number[]
  },
): string {
  const { cpu, rates, ratios, cold, startUp } = figures
  const gzip = (name: Name) => gzipSync(scripts[name]).length / 1024
  const spread = (all: readonly number[], digits: number) =>
    `${median(all).toFixed(digits)} (${Math.min(...all).toFixed(digits)}–${Math.max(...all).toFixed(digits)})`
  return [
    '# Results of `npm run bench:worker`',
    '',
    `${rounds} rounds. In a round three Workers run in one workerd and take ${TURNS} turns of ${BEGINS} begins, by`,
    `${USERS} users over ${CONNECTIONS} connections. CPU time is that of workerd. Medians; in brackets the minimum and`,
    `maximum. The first response is that to a begin after a start of workerd, as a median of ${STARTS}.`,
    '',
    '| Figure | This Worker | Target |',
    '|---|---|---|',
    `| CPU per begin ÷ bare Hono with the same duties | ${spread(ratios['hono-duties'], 2)} | ≤ ${MOST_TO_HONO.toFixed(2)} |`,
    `| CPU per begin ÷ a bare fetch handler | ${spread(ratios.bare, 2)} | – |`,
    `| bundle, KiB gzip | ${gzip('gateway').toFixed(1)} | ≤ ${MOST_GZIP_KIB} |`,
    `| start-up, ms (\`npm run startup:worker\`, ${STARTS} starts) | ${spread(startUp, 1)} | < ${MOST_START_UP_MS} |`,
    '',
    '| Worker | CPU µs per begin | begins/s | first response ms | bundle KiB gzip |',
    '|---|---|---|---|---|',
    ...names.map(
      (name) =>
        `| ${titles[name]} | ${spread(cpu[name], 0)} | ${spread(rates[name], 0)} | ${cold[name].toFixed(0)} | ${gzip(name).toFixed(1)} |`,
    ),
    '',
  ].join('\n')
}
