import { execFile } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { wranglerEnvironment, wranglerScript } from '../../src/demo/wrangler.ts'
import { ann, startHarness } from '../support/harness.ts'
import {
  filesWithPathsOfThisMachine,
  type PackedPackage,
  type PackedPackages,
  packPackages,
} from '../support/installed-package.ts'
import { checkTypes, resolutions, runModule } from '../support/package-project.ts'
import { runProgram } from '../support/process.ts'

/** The gateway's package, as a project installs it. */

const execute = promisify(execFile)
const anyPorts = ['--smh-port=0', '--cos-port=0', '--admin-port=0']

let packages: PackedPackages
let packed: PackedPackage
/** A project with the package and its dependencies. */
let server: string
beforeAll(async () => {
  packages = await packPackages()
  packed = packages.server
  server = await packed.installWith(...Object.keys(packed.manifest.dependencies))
})
afterAll(() => packages.remove())

describe('the tarball', () => {
  test('contains only the built modules and the documents', () => {
    const documents = packed.files.filter((file) => !/^(dist|docs)\//.test(file))
    expect(documents).toEqual([
      '.env.example',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'openapi/openapi-3.0.json',
      'openapi/openapi.json',
      'openapi/reference.css',
      'openapi/reference.html',
      'package.json',
      'wrangler.toml',
    ])
    expect(packed.files).toContain('docs/operating.md')
    expect(packed.files.filter((file) => /^docs\/.*(?<!\.md)$/.test(file))).toEqual([])
    const built = packed.files.filter((file) => file.startsWith('dist/'))
    expect(built.filter((file) => !/\.(js|js\.map|d\.ts)$/.test(file))).toEqual([])
    const rooms = new Set(built.map((file) => file.split('/')[1]))
    expect([...rooms]).toEqual(['command', 'emulator', 'gateway'])
  })

  test('contains every file that package.json names', () => {
    const { exports, bin } = packed.manifest
    const named = [...Object.values(exports), bin].map((file) => file.replace('./', ''))
    expect(named.filter((file) => !packed.files.includes(file))).toEqual([])
  })

  test('contains no path of the machine that built it', async () => {
    expect(await filesWithPathsOfThisMachine(packed)).toEqual([])
  })
})

describe('types', () => {
  const program = `
    import { createApp, createConsoleLog, createMemoryLedger, fetchClient, ledgerLimits, noMetrics, createSingleFlight } from 'smh-upload-gateway'
    import { type Config, ConfigurationError, parseConfig } from 'smh-upload-gateway'
    import { createUndiciClient, readDocsAsset, startGateway } from 'smh-upload-gateway/node'
    import openapi from 'smh-upload-gateway/openapi.json' with { type: 'json' }
    import worker from 'smh-upload-gateway/worker'

    const config: Config = parseConfig(process.env)
    const httpClient = createUndiciClient()
    const app = createApp({
      config, httpClient, clock: Date.now, monotonicClock: () => performance.now(), log: (level, { event }) => void [level, event],
      singleFlight: createSingleFlight(), ledger: createMemoryLedger({ limits: ledgerLimits(config), clock: Date.now, monotonicClock: Date.now }), otherCallsRateLimiter: { consume: async () => 0 }, metrics: noMetrics, readDocsAsset: async () => undefined,
    })
    const elsewhere = createApp({
      config, clock: Date.now, monotonicClock: () => performance.now(), singleFlight: createSingleFlight(), metrics: noMetrics,
      httpClient: fetchClient, log: createConsoleLog('info'), ledger: createMemoryLedger({ limits: ledgerLimits(config), clock: Date.now, monotonicClock: Date.now }), otherCallsRateLimiter: { consume: async () => 0 }, readDocsAsset,
    })
    await elsewhere.keepAlive()
    export const answer: Response = await app.fetch(new Request('http://localhost/livez'))
    export const { url } = await startGateway({ config, log() {} })
    export const version: string = openapi.info.version
    export const issue = (error: unknown) => error instanceof ConfigurationError && error.issues[0]?.variable
    export const handle: (request: Request, bindings: {}, execution: never) => Promise<Response> = worker.fetch
    await httpClient.close()
    // @ts-expect-error there is no such option
    startGateway({ config, log() {}, secret: '' })
  `

  test.each(resolutions)('of the gateway are complete, on Node by %s', async (_name, options) => {
    const project = await packed.installWith(
      ...Object.keys(packed.manifest.dependencies),
      '@types/node',
    )
    const forNode = ['--lib', 'es2024', '--types', 'node']
    expect(await checkTypes(project, { 'server.ts': program }, [...options, ...forNode])).toBe('')
  })
})

describe('the gateway', () => {
  test('runs from its exports and serves its documents', async () => {
    const { emulator, issuer } = await startHarness()
    const said = await runModule(
      server,
      `
      import { createApp, createMemoryLedger, ledgerLimits, noMetrics, createSingleFlight, parseConfig } from 'smh-upload-gateway'
      import { createUndiciClient, startGateway } from 'smh-upload-gateway/node'
      import openapi from 'smh-upload-gateway/openapi.json' with { type: 'json' }
      import worker from 'smh-upload-gateway/worker'
      const config = parseConfig(process.env)
      const httpClient = createUndiciClient()
      const app = createApp({
        config, httpClient, clock: Date.now, monotonicClock: () => performance.now(), log() {}, singleFlight: createSingleFlight(),
        ledger: createMemoryLedger({ limits: ledgerLimits(config), clock: Date.now, monotonicClock: Date.now }), otherCallsRateLimiter: { consume: async () => 0 }, metrics: noMetrics, readDocsAsset: async () => undefined,
      })
      const headers = { authorization: 'Bearer ' + process.env.TOKEN, 'content-type': 'application/json' }
      const begin = { method: 'POST', headers, body: JSON.stringify({ path: 'a', size: 1 }) }
      const embedded = await app.fetch(new Request('http://localhost/v1/uploads', begin))
      const execution = { waitUntil() {}, passThroughOnException() {}, props: {} }
      const onWorkers = await worker.fetch(new Request('http://localhost/livez'), process.env, execution)
      const gateway = await startGateway({ config, log() {} })
      const served = await fetch(gateway.url + '/v1/uploads', begin)
      const document = await (await fetch(gateway.url + '/openapi.json')).json()
      const page = await fetch(gateway.url + '/docs')
      await gateway.close()
      await httpClient.close()
      console.log(JSON.stringify({
        statuses: [embedded.status, onWorkers.status, served.status, page.status],
        sameDocument: JSON.stringify(document) === JSON.stringify(openapi),
      }))
      `,
      {
        ...environmentOf({ emulator, issuer }),
        PORT: '0',
        LOG_LEVEL: 'silent',
        TOKEN: await issuer.token(ann),
      },
    )
    expect(said).toEqual({ statuses: [201, 200, 201, 200], sameDocument: true })
  })

  test('runs on any runtime with `fetch`, with the adapters of the package', async () => {
    const { emulator, issuer } = await startHarness()
    const said = await runModule(
      server,
      `
      import { createApp, createConsoleLog, createMemoryLedger, fetchClient, ledgerLimits, noMetrics, createSingleFlight, parseConfig } from 'smh-upload-gateway'
      import { readDocsAsset } from 'smh-upload-gateway/node'
      const lines = []
      const config = parseConfig(process.env)
      const app = createApp({
        config, clock: Date.now, monotonicClock: () => performance.now(), singleFlight: createSingleFlight(),
        metrics: noMetrics, httpClient: fetchClient, log: createConsoleLog('info', (line) => lines.push(JSON.parse(line))),
        ledger: createMemoryLedger({ limits: { ...ledgerLimits(config), perMinute: 1 }, clock: Date.now, monotonicClock: () => performance.now() }), otherCallsRateLimiter: { consume: async () => 0 }, readDocsAsset,
      })
      const headers = { authorization: 'Bearer ' + process.env.TOKEN, 'content-type': 'application/json' }
      const begin = { method: 'POST', headers, body: JSON.stringify({ path: 'a', size: 1 }) }
      const statuses = []
      for (const [path, init] of [['/v1/uploads', begin], ['/v1/uploads', begin], ['/openapi.json']]) {
        statuses.push((await app.fetch(new Request('http://localhost' + path, init))).status)
      }
      console.log(JSON.stringify({ statuses, logged: lines.map(({ status }) => status) }))
      `,
      { ...environmentOf({ emulator, issuer }), TOKEN: await issuer.token(ann) },
    )
    expect(said).toEqual({ statuses: [201, 429, 200], logged: [201, 429, 200] })
  })

  test("is bundled as a Worker by the package's wrangler.toml, with the files of /docs", async () => {
    const toml = await readFile(join(packed.folder, 'wrangler.toml'), 'utf8')
    await writeFile(
      join(server, 'wrangler.toml'),
      toml
        .replace('main = "src/gateway/runtimes/worker/main.ts"', 'main = "worker.js"')
        .replace('directory = "openapi"', 'directory = "node_modules/smh-upload-gateway/openapi"'),
    )
    await writeFile(
      join(server, 'worker.js'),
      "export { default, LedgerObject } from 'smh-upload-gateway/worker'\n",
    )
    const env = { ...process.env, ...wranglerEnvironment }
    const deploy = [wranglerScript, 'deploy', '--dry-run', '--outdir', 'bundle']
    const { stdout } = await execute(process.execPath, deploy, { cwd: server, env })
    expect(stdout).toContain('env.ASSETS')
    expect(stdout).toContain('env.LEDGER')
    expect(await readFile(join(server, 'bundle/worker.js'), 'utf8')).toContain('reference.html')
  })
})

describe('the command', () => {
  /** Runs the installed command with nothing but this environment, as `npx` does. */
  async function runCommand(args: readonly string[], environment: Record<string, string> = {}) {
    const command = join(server, 'node_modules/smh-upload-gateway', packed.manifest.bin)
    // npm does the same when it installs the command. The file's first line names the interpreter.
    await chmod(command, 0o755)
    const PATH = `${dirname(process.execPath)}:${process.env.PATH}`
    return runProgram(command, args, { cwd: server, environment: { PATH, ...environment } })
  }

  test.each([[[]], [['start']]])('%j runs the gateway', async (args) => {
    const { emulator, issuer } = await startHarness()
    const variables = { ...environmentOf({ emulator, issuer }), PORT: '0' }
    const { child, line, ended } = await runCommand(args, variables)
    const { address } = JSON.parse(await line((text) => text.includes('"event":"listening"')))
    expect((await fetch(`${address}/readyz`)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  test('emulator runs the emulator without configuration', async () => {
    const { child, line, ended } = await runCommand(['emulator', ...anyPorts])
    const command = await line((text) => text.includes('curl '))
    const tokenUrl = /curl '(.*)'/.exec(command)?.[1] ?? ''
    expect(await (await fetch(tokenUrl)).json()).toMatchObject({ accessToken: expect.any(String) })
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  test('emulator --tls names the packages that it needs', async () => {
    const { ended, errors } = await runCommand(['emulator', '--tls', ...anyPorts])
    expect(await ended).toBe(1)
    const packages = Object.keys(packed.manifest.peerDependencies).join(' ')
    expect(errors()).toBe(`TLS needs two packages: npm install ${packages}\n`)
  })

  test('emulator --tls runs with these packages', async () => {
    const { dependencies, peerDependencies } = packed.manifest
    const names = Object.keys({ ...dependencies, ...peerDependencies })
    const project = await packed.installWith(...names)
    const command = join(project, 'node_modules/smh-upload-gateway', packed.manifest.bin)
    const args = [command, 'emulator', '--tls', ...anyPorts]
    const emulator = runProgram(process.execPath, args, { cwd: project, environment: {} })
    await emulator.line((text) => text.includes('SMH_ENDPOINT=https:'))
    emulator.child.kill('SIGTERM')
    expect(await emulator.ended).toBe(0)
  })
})
