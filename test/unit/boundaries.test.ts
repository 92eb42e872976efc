import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** Each file of `src` with the files and packages that it imports. Type imports count. */
const imports = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => {
      const text = readFileSync(join(src, file), 'utf8')
      const names = [...text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'([^'\n]+)'/g)]
      const resolved = names.map(([, name = '']) =>
        name.startsWith('.') ? normalize(join(dirname(file), name)) : name,
      )
      return [file, resolved] as const
    }),
)

/** What every room of the gateway may use: no runtime, no Hono, no knowledge of SMH or uploads. */
const CORE = [
  'gateway/advice.ts',
  'gateway/error-codes.ts',
  'gateway/errors.ts',
  'gateway/http-client.ts',
  'gateway/json-depth.ts',
  'gateway/log-record.ts',
  'gateway/name-rules.ts',
  'gateway/ports.ts',
]

/**
 * What each room may import besides itself: rooms (they end in a slash), files, and packages. Each file
 * belongs to the longest room that matches. The rooms of the gateway stand in the order of a request.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  // The package's command knows the programs that it starts, and nothing else.
  'command/': ['gateway/runtimes/node/main.ts', 'emulator/main.ts'],
  'gateway/runtimes/node/': [
    ...CORE,
    'gateway/app.ts',
    'gateway/config/',
    'gateway/ledger/',
    'gateway/runtimes/shared/',
    'node:',
    '@hono/node-server',
    '@redis/client',
    'pino',
    'prom-client',
    'undici',
    'zod',
  ],
  'gateway/runtimes/worker/': [
    ...CORE,
    'gateway/app.ts',
    'gateway/config/',
    'gateway/ledger/',
    'gateway/runtimes/shared/',
  ],
  'gateway/runtimes/shared/': [...CORE, 'gateway/config/'],
  'gateway/index.ts': [
    ...CORE,
    'gateway/app.ts',
    'gateway/config/',
    'gateway/ledger/',
    'gateway/runtimes/shared/',
  ],
  'gateway/openapi.ts': [
    'gateway/routes/',
    '@asteasolutions/zod-to-openapi',
    '@hono/zod-openapi',
    'zod',
  ],
  'gateway/app.ts': [
    ...CORE,
    'gateway/routes/',
    'gateway/http/',
    'gateway/auth/',
    'gateway/uploads/',
    'gateway/ledger/',
    'gateway/smh/',
    'gateway/config/',
    'hono',
  ],
  'gateway/routes/': [
    ...CORE,
    'gateway/http/',
    'gateway/auth/',
    'gateway/uploads/',
    'gateway/ledger/',
    'gateway/smh/',
    'gateway/config/',
    'hono',
    '@hono/zod-openapi',
    'node:crypto',
    'zod',
  ],
  'gateway/http/': [
    ...CORE,
    'gateway/auth/',
    'gateway/ledger/',
    'gateway/config/',
    'hono',
    'lru-cache',
    '@hono/zod-openapi',
    'zod',
  ],
  'gateway/auth/': [...CORE, 'gateway/config/', 'jose', 'lru-cache', 'zod'],
  'gateway/uploads/': [
    ...CORE,
    'gateway/auth/',
    'gateway/ledger/',
    'gateway/smh/',
    'gateway/config/',
    'lru-cache',
    'node:buffer',
    'node:crypto',
    'zod',
  ],
  'gateway/ledger/': [...CORE, 'gateway/config/', 'lru-cache'],
  // Its failures are SmhError alone. Public errors start in uploads/.
  'gateway/smh/': [
    ...CORE.filter((file) => file !== 'gateway/errors.ts'),
    'gateway/config/',
    'lru-cache',
    'zod',
  ],
  'gateway/config/': ['gateway/name-rules.ts'],
  'gateway/ports.ts': [
    'gateway/config/',
    'gateway/http-client.ts',
    'gateway/ledger/ledger.ts',
    'gateway/log-record.ts',
  ],
  'gateway/advice.ts': ['gateway/log-record.ts'],
  'gateway/error-codes.ts': [],
  'gateway/errors.ts': [
    'gateway/error-codes.ts',
    'gateway/log-record.ts',
    'gateway/ports.ts',
    'zod',
  ],
  'gateway/http-client.ts': [],
  'gateway/json-depth.ts': [],
  'gateway/log-record.ts': [],
  'gateway/name-rules.ts': [],
  'client/': [],
  'client/queue/': ['client/errors.ts', 'client/gateway-types.ts', 'client/types.ts'],
  'client/uppy/': [
    'client/index.ts',
    'client/queue/open-uploads.ts',
    'client/semaphore.ts',
    '@uppy/core',
  ],
  'emulator/': [
    'node:',
    '@hono/node-server',
    '@peculiar/x509',
    'hash-wasm',
    'hono',
    'reflect-metadata',
  ],
  // The page knows the gateway by its client alone.
  'demo/page/': [
    'client/index.ts',
    'client/queue/index.ts',
    'client/uppy/index.ts',
    'demo/demo-state.ts',
    '@uppy/core',
    '@uppy/golden-retriever',
  ],
  'demo/': [
    'client/',
    'emulator/',
    'gateway/',
    'node:',
    'cli-progress',
    'esbuild',
    'hash-wasm',
    'jose',
  ],
}

type Imports = ReadonlyMap<string, readonly string[]>

function roomOf(file: string): string | undefined {
  const rooms = Object.keys(MAY_IMPORT).filter((room) => isIn(room, file))
  return rooms.sort((a, b) => b.length - a.length)[0]
}

const isIn = (place: string, name: string) =>
  name === place || name.startsWith(/[/:]$/.test(place) ? place : `${place}/`)

/** What the files of a room import against the table. */
function forbiddenIn(files: Imports, room: string): string[] {
  const allowed = MAY_IMPORT[room] ?? []
  const isAllowed = (name: string) =>
    roomOf(name) === room || allowed.some((place) => isIn(place, name))
  return [...files]
    .filter(([file]) => roomOf(file) === room)
    .flatMap(([file, names]) =>
      names.filter((name) => !isAllowed(name)).map((name) => `${file} -> ${name}`),
    )
}

function cyclesIn(files: Imports): string[] {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file)
    if (start >= 0) cycles.push([...path.slice(start), file].join(' -> '))
    if (start >= 0 || done.has(file)) return
    for (const name of files.get(file) ?? []) visit(name, [...path, file])
    done.add(file)
  }
  for (const file of files.keys()) visit(file, [])
  return cycles
}

describe('rooms of src', () => {
  test('every file belongs to a room', () => {
    expect(imports.size).toBeGreaterThan(150)
    expect([...imports.keys()].filter((file) => roomOf(file) === undefined)).toEqual([])
  })

  test.each(Object.keys(MAY_IMPORT))('%s imports only what it may', (room) => {
    expect([...imports.keys()].some((file) => roomOf(file) === room)).toBe(true)
    expect(forbiddenIn(imports, room)).toEqual([])
  })

  test.each(Object.keys(MAY_IMPORT))('the table forbids further imports of %s', (room) => {
    const file = room.endsWith('/') ? `${room}file.ts` : room
    const stranger = room === 'demo/page/' ? 'demo/main.ts' : 'demo/page/page.ts'
    for (const name of [stranger, 'some-package']) {
      expect(forbiddenIn(new Map([[file, [name]]]), room)).toEqual([`${file} -> ${name}`])
    }
  })

  test('no import cycle exists', () => {
    expect(cyclesIn(imports)).toEqual([])
  })

  test('the check for cycles finds one of three files', () => {
    const files = { a: ['b'], b: ['c', 'd'], c: ['a'], d: [] }
    expect(cyclesIn(new Map(Object.entries(files)))).toEqual(['a -> b -> c -> a'])
  })

  test('no operation imports another', () => {
    const operation = (name: string) => /^gateway\/routes\/.*-uploads?\.ts$/.test(name)
    const operations = [...imports].filter(([file]) => operation(file))
    expect(operations.length).toBe(7)
    expect(operations.filter(([, names]) => names.some(operation))).toEqual([])
  })

  test('secrets are revealed in three places', () => {
    const reveals = [...imports.keys()].filter((file) =>
      readFileSync(join(src, file), 'utf8').includes('.reveal()'),
    )
    expect(reveals.sort()).toEqual([
      'gateway/runtimes/node/redis-connection.ts',
      'gateway/smh/token-requests.ts',
      'gateway/uploads/confirm-key.ts',
    ])
  })
})

test('no package of the gateway runs a script when it is installed', () => {
  const lock = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')
  const packages: Record<string, { dev?: true; devOptional?: true; hasInstallScript?: true }> =
    JSON.parse(lock).packages
  const scripted = Object.entries(packages).filter(([, entry]) => entry.hasInstallScript)
  expect(scripted.length).toBeGreaterThan(0)
  expect(scripted.filter(([, { dev, devOptional }]) => !(dev || devOptional))).toEqual([])
})
