import { execFile, spawn } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { wranglerManners, wranglerScript } from '../../src/demo/wrangler.ts'
import { bundleForBrowsers } from '../support/bundle-browser.ts'
import { ann, MiB, someBytes, startHarness } from '../support/gateway.ts'
import { type PackedPackage, packPackage } from '../support/installed-package.ts'
import { readmeBlocks } from '../support/readme.ts'
import { storedBytes } from '../support/upload-client.ts'

/** What somebody gets who installs this project: other projects that have nothing but the package. */

const execute = promisify(execFile)
const [uploadsModule = '', uppyModule = ''] = readmeBlocks('ts')
const uppyPackages = ['@uppy/core', '@uppy/dashboard', '@uppy/golden-retriever']

let packed: PackedPackage
/** The project of somebody who runs the gateway, with what npm would install for it. */
let server: string
beforeAll(async () => {
  packed = await packPackage()
  server = await packed.installWith(...Object.keys(packed.manifest.dependencies))
})
afterAll(() => packed.remove())

/** Runs a module of a project by Node, and gives the last line that it writes, which is JSON. */
async function runModule(project: string, text: string, environment: Record<string, string> = {}) {
  const file = join(project, 'main.ts')
  await writeFile(file, text)
  const env = { PATH: process.env.PATH ?? '', ...environment }
  const { stdout } = await execute(process.execPath, [file], { cwd: project, env })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

describe('the tarball', () => {
  test('has what was built and the documents, and nothing else', () => {
    const documents = packed.files.filter((file) => !file.startsWith('dist/'))
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
    const built = packed.files.filter((file) => file.startsWith('dist/'))
    expect(built.filter((file) => !/\.(js|js\.map|d\.ts)$/.test(file))).toEqual([])
    const places = new Set(built.map((file) => file.split('/').slice(1, -1).join('/')))
    expect(places).not.toContain('emulator')
    expect(places).not.toContain('demo')
  })

  test('names only files that are there', () => {
    const { exports, bin } = packed.manifest
    const named = [...Object.values(exports), bin].map((file) => file.replace('./', ''))
    expect(named.filter((file) => !packed.files.includes(file))).toEqual([])
  })

  test('holds nothing of the machine it was made on', async () => {
    const home = fileURLToPath(new URL('../..', import.meta.url))
    const texts = packed.files.map((file) => readFile(join(packed.folder, file), 'utf8'))
    const tellTale = (await Promise.all(texts)).filter((text) => text.includes(home))
    expect(tellTale).toEqual([])
  })
})

describe('types', () => {
  const program = `
    import { createApp, createConsoleLog, createMemoryRateLimiter, fetchClient, noMetrics, createSingleFlight } from 'smh-upload-gateway'
    import { type Config, ConfigurationError, parseConfig } from 'smh-upload-gateway'
    import { createUndiciClient, readDocsAsset, startGateway } from 'smh-upload-gateway/node'
    import openapi from 'smh-upload-gateway/openapi.json' with { type: 'json' }
    import worker from 'smh-upload-gateway/worker'

    const config: Config = parseConfig(process.env)
    const httpClient = createUndiciClient()
    const app = createApp({
      config, httpClient, clock: Date.now, monotonicClock: () => performance.now(), log: (level, { event }) => void [level, event],
      singleFlight: createSingleFlight(), beginRateLimiter: { consume: async () => 0 }, otherCallsRateLimiter: { consume: async () => 0 }, metrics: noMetrics, readDocsAsset: async () => undefined,
    })
    const elsewhere = createApp({
      config, clock: Date.now, monotonicClock: () => performance.now(), singleFlight: createSingleFlight(), metrics: noMetrics,
      httpClient: fetchClient, log: createConsoleLog('info'), beginRateLimiter: createMemoryRateLimiter(120, Date.now), otherCallsRateLimiter: { consume: async () => 0 }, readDocsAsset,
    })
    await elsewhere.keepAlive()
    export const answer: Response = await app.fetch(new Request('http://localhost/livez'))
    export const { url } = await startGateway({ config, log() {} })
    export const version: string = openapi.info.version
    export const faults = (error: unknown) => error instanceof ConfigurationError && error.faults[0]?.variable
    export const handle: (request: Request, bindings: {}, execution: never) => Promise<Response> = worker.fetch
    await httpClient.close()
    // @ts-expect-error there is no such option
    startGateway({ config, log() {}, secret: '' })
  `
  const clientProgram = `
    import { createUploadClient, type StoredFile } from 'smh-upload-gateway/client'
    const client = createUploadClient({ gateway: 'https://uploads.example.com', getToken: () => 'token' })
    export const stored: StoredFile = await client.upload(new Blob(['x']), { path: 'a' }).done
  `

  /** Has TypeScript check modules, and the declarations that they use; gives its complaints. */
  async function check(project: string, modules: Record<string, string>, options: string[]) {
    for (const [file, text] of Object.entries(modules)) await writeFile(join(project, file), text)
    const tsc = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')))
    const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
    const given = [...strict, '--target', 'es2024', '--resolveJsonModule', ...options]
    const args = [tsc, '--ignoreConfig', '--noEmit', ...given, ...Object.keys(modules)]
    const checked = execute(process.execPath, args, { cwd: project })
    return checked.then(
      ({ stdout }) => stdout,
      (error: { stdout: string }) => error.stdout,
    )
  }
  const nodenext = ['--module', 'nodenext']
  const bundler = ['--module', 'esnext', '--moduleResolution', 'bundler']

  test.each([
    ['nodenext', nodenext],
    ['bundler', bundler],
  ])('of the gateway, on Node by %s', async (_name, options) => {
    const project = await packed.installWith(
      ...Object.keys(packed.manifest.dependencies),
      '@types/node',
    )
    const forNode = ['--lib', 'es2024', '--types', 'node']
    const modules = { 'server.ts': program, 'client.ts': clientProgram }
    expect(await check(project, modules, [...options, ...forNode])).toBe('')
  })

  test.each([
    ['nodenext', nodenext],
    ['bundler', bundler],
  ])('of client and plugin, in pages by %s', async (_name, options) => {
    const project = await packed.installWith(...uppyPackages)
    // Styles are the bundler's business; Uppy's own types need what is newest.
    const forPages = ['--lib', 'esnext,dom', '--noUncheckedSideEffectImports', 'false']
    const modules = { 'uploads.ts': uploadsModule, 'dashboard.ts': uppyModule }
    expect(await check(project, modules, [...options, ...forPages])).toBe('')
  })
})

describe('the client', () => {
  test("uploads, and goes on after a reload, as the README's module has it", async () => {
    const harness = await startHarness()
    const project = await packed.installWith()
    const uploads = uploadsModule.replace(
      "gateway: 'https://uploads.example.com'",
      `gateway: '${harness.gateway.url}', cosScheme: 'http', partSize: ${MiB}, partsInParallel: 1`,
    )
    expect(uploads).not.toBe(uploadsModule)
    await writeFile(join(project, 'uploads.ts'), uploads)
    const content = someBytes(3 * MiB)
    await writeFile(join(project, 'sea.bin'), content)
    // What a page has and Node has not: a store, and files with a name.
    const said = await runModule(
      project,
      `
      import { openAsBlob } from 'node:fs'
      const store = new Map()
      globalThis.localStorage = {
        getItem: (name) => store.get(name) ?? null,
        setItem: (name, value) => store.set(name, value),
        removeItem: (name) => store.delete(name),
      } as never
      const { createUploads } = await import('./uploads.ts')
      const file = new File([await openAsBlob('sea.bin')], 'sea.bin', { lastModified: 1 })
      const getToken = async () => process.env.TOKEN ?? ''
      const ended = []
      const before = createUploads('ann', getToken, (text) => {
        if (Number.parseInt(text) > 33) first.pause()
      })
      const first = before.start(file)
      while (!first.paused) await new Promise((resolve) => setImmediate(resolve))
      const kept = [...store.values()]
      const names = [...store.keys()]
      const { start } = createUploads('ann', getToken, (text) => ended.push(text))
      await start(file).done
      console.log(JSON.stringify({ kept, names, key: first.confirmKey, ended, left: store.size }))
      process.exit()
      `,
      { TOKEN: await harness.issuer.token(ann) },
    )
    expect(said.kept).toEqual([said.key])
    // Another user of the same browser does not find it.
    expect(said.names).toEqual([expect.stringContaining('"ann"')])
    expect(said.ended.find((text: string) => text.endsWith('%'))).toBe('33 %')
    expect(said.ended.at(-1)).toBe('Stored as holiday/sea.bin.')
    expect(said.left).toBe(0)
    expect((await storedBytes(harness, 'holiday', 'sea.bin')).equals(content)).toBe(true)
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test.each([
    ['client', [], []],
    ['client/hash-worker', [], []],
    ['uppy', ['@uppy/core'], ['@uppy/core', '@uppy/core/utils']],
  ])('%s is bundled for browsers', async (name, packages, imports) => {
    const folder = await packed.installWith(...packages)
    const external = ['@uppy/core']
    const bundle = await bundleForBrowsers(`smh-upload-gateway/${name}`, { folder, external })
    expect(bundle.imports).toEqual(imports)
  })

  test('is bundled with Uppy, its Dashboard and Golden Retriever', async () => {
    const folder = await packed.installWith(...uppyPackages)
    await writeFile(join(folder, 'dashboard.ts'), uppyModule)
    const bundle = await bundleForBrowsers('./dashboard.ts', { folder })
    expect(bundle.imports).toEqual([])
  })
})

describe('the gateway', () => {
  test('runs by the exports, and has its documents', async () => {
    const { emulator, issuer } = await startHarness()
    const said = await runModule(
      server,
      `
      import { createApp, noMetrics, createSingleFlight, parseConfig } from 'smh-upload-gateway'
      import { createUndiciClient, startGateway } from 'smh-upload-gateway/node'
      import openapi from 'smh-upload-gateway/openapi.json' with { type: 'json' }
      import worker from 'smh-upload-gateway/worker'
      const config = parseConfig(process.env)
      const httpClient = createUndiciClient()
      const app = createApp({
        config, httpClient, clock: Date.now, monotonicClock: () => performance.now(), log() {}, singleFlight: createSingleFlight(),
        beginRateLimiter: { consume: async () => 0 }, otherCallsRateLimiter: { consume: async () => 0 }, metrics: noMetrics, readDocsAsset: async () => undefined,
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

  test('runs on any runtime with `fetch`, by what the package has for createApp', async () => {
    const { emulator, issuer } = await startHarness()
    const said = await runModule(
      server,
      `
      import { createApp, createConsoleLog, createMemoryRateLimiter, fetchClient, noMetrics, createSingleFlight, parseConfig } from 'smh-upload-gateway'
      import { readDocsAsset } from 'smh-upload-gateway/node'
      const lines = []
      const app = createApp({
        config: parseConfig(process.env), clock: Date.now, monotonicClock: () => performance.now(), singleFlight: createSingleFlight(),
        metrics: noMetrics, httpClient: fetchClient, log: createConsoleLog('info', (line) => lines.push(JSON.parse(line))),
        beginRateLimiter: createMemoryRateLimiter(1, () => performance.now()), otherCallsRateLimiter: { consume: async () => 0 }, readDocsAsset,
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
      "export { default } from 'smh-upload-gateway/worker'\n",
    )
    const env = { ...process.env, ...wranglerManners }
    const deploy = [wranglerScript, 'deploy', '--dry-run', '--outdir', 'bundle']
    const { stdout } = await execute(process.execPath, deploy, { cwd: server, env })
    expect(stdout).toContain('env.ASSETS')
    expect(await readFile(join(server, 'bundle/worker.js'), 'utf8')).toContain('reference.html')
  })

  test('runs by its command', async () => {
    const { emulator, issuer } = await startHarness()
    const command = join(server, 'node_modules/smh-upload-gateway', packed.manifest.bin)
    // As npm does when it installs it: the file's first line says by what it is run.
    await chmod(command, 0o755)
    const path = `${dirname(process.execPath)}:${process.env.PATH}`
    const child = spawn(command, {
      cwd: server,
      env: { PATH: path, ...environmentOf({ emulator, issuer }), PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const ended = new Promise((resolve) => child.once('close', resolve))
    for await (const line of createInterface({ input: child.stdout })) {
      const { event, address } = JSON.parse(line)
      if (event !== 'listening') continue
      expect((await fetch(`${address}/readyz`)).status).toBe(200)
      child.kill('SIGTERM')
    }
    expect(await ended).toBe(0)
  })
})
