/**
 * `npm run bench:upload`: uploads one large file and many small ones through gateway and emulator, in Node and in
 * Chromium: by this project's client, by plain parallel PUTs of the parts (the limit), by plain requests from begin to
 * complete, and by Tencent's SDK for COS. Takes about ten minutes. Prints the tables and writes them to
 * RESULTS-upload.md; with an option it writes nothing.
 *
 * - `--rounds N`
 * - `--mib N`, `--files N`: size of the large file, number of small files
 * - `--only node` or `--only chromium`
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { build } from 'esbuild'
import { type Browser, chromium } from 'playwright-core'
import { startDemoIssuer } from '../src/demo/demo-users.ts'
import { quantile } from './load.ts'
import { startServices, usageOfAll } from './upload/processes.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    mib: { type: 'string' },
    files: { type: 'string' },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? 3)
const largeMiB = Number(values.mib ?? 1024)
const smallFiles = Number(values.files ?? 1000)
const SMALL_BYTES = 100 * 1024
const SAMPLE_MS = 250

const ways = ['client', 'limit', 'plain', 'sdk'] as const
type Way = (typeof ways)[number]
const loads = ['one large file', 'many small files'] as const
type Load = (typeof loads)[number]
const runtimes = (['node', 'chromium'] as const).filter((name) => (values.only ?? name) === name)
type Runtime = (typeof runtimes)[number]

/** What one run took. */
interface Run {
  wallMs: number
  cpuMs: number
  peakMiB: number
  gatewayCalls: number
}

/** Most wall time of the client, as a multiple of the limit's. */
const targets: Record<Runtime, Record<Load, number>> = {
  node: { 'one large file': 1.1, 'many small files': 1.5 },
  chromium: { 'one large file': 1.25, 'many small files': 1.5 },
}

const titles: Record<Way, string> = {
  client: '**this client**',
  limit: 'the limit: plain parallel PUTs of the parts, nothing else',
  plain: 'begin, plain parallel PUTs and complete, nothing checked',
  sdk: "Tencent's SDK for COS, with begin and complete through the gateway",
}

const folder = await mkdtemp(join(tmpdir(), 'bench-upload-'))
const issuer = await startDemoIssuer()
const page = await startPage()
const browser = runtimes.includes('chromium') ? await launchChromium() : undefined
const runs = new Map<string, Run[]>()
const keyOf = (runtime: Runtime, load: Load, way: Way) => `${runtime}, ${load}, ${way}`
try {
  const folders = await makeFiles()
  for (let round = 1; round <= rounds; round += 1) {
    for (const runtime of runtimes) {
      for (const load of loads) {
        for (const way of round % 2 === 1 ? ways : ways.toReversed()) {
          const run = await measure(runtime, way, folders[load])
          const key = keyOf(runtime, load, way)
          runs.set(key, [...(runs.get(key) ?? []), run])
          console.error(`round ${round} of ${rounds}, ${key}: ${(run.wallMs / 1000).toFixed(2)} s`)
        }
      }
    }
  }
} finally {
  await browser?.close()
  page.close()
  await issuer.close()
  await rm(folder, { recursive: true, force: true })
}
const text = report()
console.log(text)
if (Object.keys(values).length === 0) {
  await writeFile(new URL('./RESULTS-upload.md', import.meta.url), text)
}

/** The folder of each load's files. */
async function makeFiles(): Promise<Record<Load, string>> {
  const large = join(folder, 'large')
  const small = join(folder, 'small')
  await Promise.all([mkdir(large), mkdir(small)])
  const file = await open(join(large, 'large.bin'), 'w')
  const block = randomBytes(1024 * 1024)
  for (let mib = 0; mib < largeMiB; mib += 1) {
    // Each block differs, so that parts in the wrong order have another checksum.
    block.writeUInt32LE(mib)
    await file.write(block)
  }
  await file.close()
  for (let number = 0; number < smallFiles; number += 1) {
    await writeFile(join(small, `small-${number}.bin`), randomBytes(SMALL_BYTES))
  }
  return { 'one large file': large, 'many small files': small }
}

/** One run, with services and a client of its own. */
async function measure(runtime: Runtime, way: Way, files: string): Promise<Run> {
  const services = await startServices(issuer, page.origin)
  let taken: Taken
  try {
    const token = await issuer.token({ sub: 'bench', expiresInSeconds: 3600 })
    const run = runtime === 'node' ? runInNode : runInChromium
    taken = await run(way, files, services.gateway, token)
  } finally {
    // The gateway writes its last log lines when it ends.
    await services.close()
  }
  // The begins before the limit's clock do not count.
  const begins = way === 'limit' ? (await readdir(files)).length : 0
  return { ...taken, gatewayCalls: services.calls() - begins }
}

type Taken = Omit<Run, 'gatewayCalls'>

async function runInNode(way: Way, files: string, gateway: string, token: string): Promise<Taken> {
  const program = fileURLToPath(new URL('./upload/node-program.ts', import.meta.url))
  const env = { PATH: process.env.PATH, GATEWAY: gateway, TOKEN: token, WAY: way, FOLDER: files }
  const { stdout } = await promisify(execFile)(process.execPath, [program], { env })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

async function runInChromium(
  way: Way,
  files: string,
  gateway: string,
  token: string,
): Promise<Taken> {
  if (!browser) throw new Error('Chromium is not running.')
  const context = await browser.newContext()
  try {
    const tab = await context.newPage()
    await tab.goto(page.origin)
    const names = await readdir(files)
    await tab.setInputFiles(
      'input',
      names.map((name) => join(files, name)),
    )
    const before = await usageOfAll('chromium')
    let peakMiB = 0
    const samples = setInterval(async () => {
      peakMiB = Math.max(peakMiB, (await usageOfAll('chromium')).memoryMiB)
    }, SAMPLE_MS)
    const call = `uploadChosen(${[way, gateway, token].map((each) => JSON.stringify(each)).join(',')})`
    const wallMs = await tab.evaluate<number>(call)
    clearInterval(samples)
    const after = await usageOfAll('chromium')
    return { wallMs, cpuMs: after.cpuMs - before.cpuMs, peakMiB }
  } finally {
    await context.close()
  }
}

/** Serves the page that uploads in Chromium. */
async function startPage(): Promise<{ origin: string; close(): void }> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('./upload/page-program.ts', import.meta.url))],
    bundle: true,
    format: 'iife',
    platform: 'browser',
    write: false,
    logLevel: 'error',
  })
  const html = `<!doctype html><meta charset="utf-8"><input type="file" multiple><script>${outputFiles[0]?.text.replaceAll('</script', '<\\/script')}</script>`
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() }
}

function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
    // As root, Chromium starts only without its sandbox.
    chromiumSandbox: process.getuid?.() !== 0,
    args: ['--disable-background-networking', '--no-first-run', '--disable-quic'],
  })
}

function report(): string {
  const median = (all: readonly number[]) => quantile(all, 0.5)
  const figure = (key: string, of: keyof Run, digits: number, divisor = 1) =>
    (median((runs.get(key) ?? []).map((run) => run[of])) / divisor).toFixed(digits)
  const ratio = (runtime: Runtime, load: Load, to: Way) => {
    const own = runs.get(keyOf(runtime, load, 'client')) ?? []
    const others = runs.get(keyOf(runtime, load, to)) ?? []
    return median(own.map(({ wallMs }, round) => wallMs / (others[round]?.wallMs ?? 0))).toFixed(2)
  }
  return [
    '# Results of `npm run bench:upload`',
    '',
    `One file of ${largeMiB} MiB, and ${smallFiles} files of 100 KiB. ${rounds} rounds, the ways in turns, each with an emulator and a`,
    `gateway of its own. Medians. ${cpus().length} cores, shared by client, gateway and emulator. The emulator writes every byte to`,
    'disk and computes its checksums, and takes most of the time. The limit begins before its clock starts, and does',
    'not complete. CPU and memory are those of the client, in Chromium of all its processes.',
    '',
    '| Client ÷ | runtime | load | wall time | target |',
    '|---|---|---|---|---|',
    ...runtimes.flatMap((runtime) =>
      loads.flatMap((load) => [
        `| the limit | ${runtime} | ${load} | ${ratio(runtime, load, 'limit')} | ≤ ${targets[runtime][load].toFixed(2)} |`,
        `| plain begin, PUTs and complete | ${runtime} | ${load} | ${ratio(runtime, load, 'plain')} | – |`,
        `| Tencent's SDK | ${runtime} | ${load} | ${ratio(runtime, load, 'sdk')} | < 1 |`,
      ]),
    ),
    '',
    '| Way | runtime | load | wall s | CPU s | peak MiB | calls to the gateway |',
    '|---|---|---|---|---|---|---|',
    ...runtimes.flatMap((runtime) =>
      loads.flatMap((load) =>
        ways.map((way) => {
          const key = keyOf(runtime, load, way)
          const cells = [
            figure(key, 'wallMs', 2, 1000),
            figure(key, 'cpuMs', 2, 1000),
            figure(key, 'peakMiB', 0),
            figure(key, 'gatewayCalls', 0),
          ]
          return `| ${[titles[way], runtime, load, ...cells].join(' | ')} |`
        }),
      ),
    ),
    '',
  ].join('\n')
}
