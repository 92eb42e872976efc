import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/** Source files relative to `src`, with what each imports: other source files, or packages. */
const src = fileURLToPath(new URL('../src', import.meta.url))
const imports = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const text = readFileSync(join(src, file), 'utf8')
      const names = [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(
        (match) => match[1] ?? '',
      )
      const resolved = names.map((name) =>
        name.startsWith('.') ? normalize(join(dirname(file), name)) : name,
      )
      return [file, resolved]
    }),
)

/** Files under one of `places` that import something that `forbidden` holds for. */
function offenders(places: readonly string[], forbidden: (name: string) => boolean) {
  return [...imports]
    .filter(([file]) => places.some((place) => file === place || file.startsWith(place)))
    .flatMap(([file, names]) => names.filter(forbidden).map((name) => `${file} -> ${name}`))
}

const core = [...imports.keys()].filter(
  (file) =>
    !/^(gateway\.ts|node\.ts|node\/|worker\.ts|worker\/|demo\/|emulator\/|client\/|uppy\/|page\/)/.test(
      file,
    ),
)

describe('imports point one way', () => {
  test('there is something to look at', () => {
    expect(imports.get('app.ts')).toContain('routes/index.ts')
    expect(core.length).toBeGreaterThan(20)
  })

  test('Node and its packages stay out of what also runs on Workers, but for what Workers have too', () => {
    const ofNode = (name: string) =>
      /^(node:(?!(buffer|crypto)$)|undici$|pino$|prom-client$|@hono\/node-server)/.test(name)
    expect(offenders(core, ofNode)).toEqual([])
  })

  test('neither entry nor core know of the emulator or the demo', () => {
    const pretend = (name: string) => /^(emulator|demo|page)\//.test(name)
    expect(
      offenders([...core, 'gateway.ts', 'node.ts', 'node/', 'worker.ts', 'worker/'], pretend),
    ).toEqual([])
  })

  test('the emulator knows nothing of the gateway', () => {
    const own = (name: string) => name.endsWith('.ts') && !name.startsWith('emulator/')
    expect(offenders(['emulator/'], own)).toEqual([])
  })

  test('the client stands alone: no package, nothing of the server', () => {
    expect(imports.get('client/client.ts')).toContain('client/upload.ts')
    expect(offenders(['client/'], (name) => !name.startsWith('client/'))).toEqual([])
    const server = [...core, 'gateway.ts', 'node.ts', 'node/', 'worker.ts', 'worker/', 'emulator/']
    expect(offenders(server, (name) => /^(client|uppy)\//.test(name))).toEqual([])
  })

  test("the Uppy plugin knows Uppy's core and what the client offers", () => {
    expect(imports.get('uppy/uppy.ts')).toContain('client/client.ts')
    const other = (name: string) => !/^(uppy\/|client\/client\.ts$|@uppy\/core)/.test(name)
    expect(offenders(['uppy/'], other)).toEqual([])
  })

  test('the page knows the gateway by its client, and of the demo only what it is told', () => {
    expect(imports.get('page/user-session.ts')).toContain('uppy/uppy.ts')
    const others = (name: string) =>
      name.endsWith('.ts') && !/^(page|client|uppy)\//.test(name) && name !== 'demo/hardships.ts'
    expect(offenders(['page/'], others)).toEqual([])
  })

  test('the core knows no entry and no runtime', () => {
    expect(offenders(core, (name) => /^(node\.ts|node\/|worker)/.test(name))).toEqual([])
  })

  test('what speaks to SMH knows nothing of routes and Hono', () => {
    const above = (name: string) => /^(routes\/|app\.ts|hono|@hono)/.test(name)
    expect(offenders(['smh/'], above)).toEqual([])
  })

  test('policy, names and errors import no adapter', () => {
    const adapter = (name: string) => /^(smh\/|routes\/|app\.ts|hono$|hono\/)/.test(name)
    expect(offenders(['policy.ts', 'names.ts', 'errors.ts', 'config.ts'], adapter)).toEqual([])
  })

  test('no endpoint imports another', () => {
    const endpoint = (name: string) => /^routes\/.*-upload\.ts$/.test(name)
    const files = [...imports.keys()].filter(endpoint)
    expect(files.length).toBe(6)
    expect(offenders(files, endpoint)).toEqual([])
  })

  test('the library secret is revealed in the two places that need it', () => {
    const reveals = [...imports.keys()].filter((file) =>
      readFileSync(join(src, file), 'utf8').includes('.reveal()'),
    )
    expect(reveals.sort()).toEqual(['confirm-key-binding.ts', 'smh/access-token.ts'])
  })
})

test('no package that the gateway brings along runs a script when it is installed', () => {
  const lock = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')
  const packages: Record<string, { dev?: true; devOptional?: true; hasInstallScript?: true }> =
    JSON.parse(lock).packages
  const scripted = Object.entries(packages).filter(([, entry]) => entry.hasInstallScript)
  expect(scripted.length).toBeGreaterThan(0)
  expect(scripted.filter(([, { dev, devOptional }]) => !(dev || devOptional))).toEqual([])
})
