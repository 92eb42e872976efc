import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { configVariables, variableList } from '../../src/gateway/config/variables.ts'
import {
  anchors,
  codeBlocks,
  codeFiles,
  codeLanguages,
  documents,
  explains,
  links,
} from '../support/documents.ts'

const fileAt = (path: string) => new URL(`../../${path}`, import.meta.url)
const textAt = (path: string) => readFileSync(fileAt(path), 'utf8')
const { scripts } = JSON.parse(textAt('package.json'))

/** What `pattern` finds in a text, its first group each time. */
const namesIn = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] ?? '')

const code = ['package.json', 'wrangler.toml', 'vitest.config.ts', ...codeFiles()]
  .map(textAt)
  .join('\n')

/** Variables of other programs. */
const FOREIGN_VARIABLES = ['CLOUDFLARE_API_TOKEN', 'NODE_EXTRA_CA_CERTS']

describe.each(documents)('%s', (document) => {
  const text = textAt(document)

  test('links only to files and anchors that exist', () => {
    const here = fileAt(document)
    const broken = links(document).filter((target) => {
      if (/^[a-z]+:/.test(target)) return false
      const [path = '', anchor] = target.split('#')
      const url = path === '' ? here : new URL(path, here)
      if (!existsSync(url)) return true
      const name = url.pathname.slice(fileAt('').pathname.length)
      return anchor !== undefined && !anchors(name).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test('names only files that exist', () => {
    const named = namesIn(
      text,
      /(?:^|[\s`(])((?:src|test|scripts|openapi|bench|docs)\/[\w./-]*\w\/?)(?=[\s`)#,;:]|\.\s|$)/gm,
    )
    expect(named.filter((path) => !existsSync(fileAt(path)))).toEqual([])
    const files = new Set(codeFiles().map((path) => path.split('/').at(-1)))
    const bare = namesIn(text, /`([\w-]+\.ts)`/g)
    expect(bare.filter((name) => !files.has(name))).toEqual([])
  })

  test('names only scripts that exist', () => {
    const named = namesIn(text, /npm run ([\w:-]+)/g)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('has only code of kinds that a test looks at', () => {
    const kinds = ['json', 'mermaid', 'nginx', 'sh', 'text', 'toml', 'ts', 'xml']
    expect(codeLanguages(document).filter((language) => !kinds.includes(language))).toEqual([])
  })

  test('has only diagrams whose blocks end', () => {
    for (const diagram of codeBlocks(document, 'mermaid')) {
      expect(diagram).toMatch(/^(?:sequenceDiagram|flowchart (?:TB|LR))\n/)
      const count = (pattern: RegExp) => diagram.match(pattern)?.length ?? 0
      expect(count(/^ *(?:loop|opt|alt|subgraph)\b/gm)).toBe(count(/^ *end$/gm))
      expect(count(/[[({]/g)).toBe(count(/[\])}]/g))
    }
  })

  test('has only JSON that parses, and lines of the log as they are', () => {
    for (const block of codeBlocks(document, 'json')) {
      const value = JSON.parse(block)
      if ('level' in value) {
        expect(value).toMatchObject({ event: 'request', operation: 'beginUpload' })
      }
    }
  })

  test('sets only variables that exist', () => {
    const set = [
      ...codeBlocks(document, 'toml').flatMap((block) => namesIn(block, /^([A-Z]\w+) = /gm)),
      ...codeBlocks(document, 'sh').flatMap((block) => namesIn(block, /^([A-Z]\w+)=/gm)),
    ]
    const isKnown = (name: string) => configVariables.includes(name) || name.startsWith('EMULATOR_')
    expect(set.filter((name) => !isKnown(name))).toEqual([])
  })
})

// The changelog has former names.
test.each(documents.filter((document) => document !== 'CHANGELOG.md'))(
  '%s names only variables that exist',
  (document) => {
    const named = namesIn(textAt(document), /\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b/g)
    const missing = named.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))
    expect(missing.filter((name) => !FOREIGN_VARIABLES.includes(name))).toEqual([])
  },
)

// SMH's protocol has words of its own.
const ownWords = documents.filter(
  (document) => !['CHANGELOG.md', 'docs/smh-protocol.md'].includes(document),
)
test.each(ownWords)('%s names only words of the code', (document) => {
  const named = namesIn(textAt(document), /`([a-z]+(?:_[a-z]+)+|[a-z]+[A-Z][A-Za-z]*)`/g)
  expect(named.filter((word) => !new RegExp(`\\b${word}\\b`).test(code))).toEqual([])
})

test('README.md has at most 200 lines', () => {
  expect(textAt('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(200)
})

test('README.md lists every operation of the OpenAPI document', () => {
  const { paths } = JSON.parse(textAt('openapi/openapi.json'))
  const operations = Object.entries<object>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(operations.length).toBeGreaterThan(7)
  expect(operations.filter((operation) => !explains('README.md', operation))).toEqual([])
})

test('docs/api.md explains every field of requests and responses', () => {
  const { components } = JSON.parse(textAt('openapi/openapi.json'))
  const schemas = Object.values<{ properties?: object }>(components.schemas)
  const fields = schemas.flatMap(({ properties = {} }) => Object.keys(properties))
  expect(fields.length).toBeGreaterThan(50)
  expect(fields.filter((field) => !explains('docs/api.md', field))).toEqual([])
})

test('README.md lists every required variable', () => {
  const required = variableList.filter(
    ({ default: fallback }) => typeof fallback === 'object' && 'required' in fallback,
  )
  expect(required.length).toBe(5)
  const rows = namesIn(textAt('README.md'), /^\| `([A-Z_]+)` \|/gm)
  expect(rows.toSorted()).toEqual(required.map(({ name }) => name).toSorted())
})

test('all TypeScript of documents is compiled and run by test/package', () => {
  const blocks = documents.map((document) => [document, codeBlocks(document, 'ts').length] as const)
  expect(Object.fromEntries(blocks.filter(([, count]) => count > 0))).toEqual({
    'README.md': 1,
    'docs/client.md': 3,
    'src/client/README.md': 1,
  })
})

test('code cites only documents and anchors that exist', () => {
  const cited = codeFiles().flatMap((file) =>
    [...textAt(file).matchAll(/docs\/[\w/-]+\.md(?:#[\w-]+(?:\.\d+)*)?/g)].map(([target]) => ({
      file,
      target,
    })),
  )
  expect(cited.length).toBeGreaterThan(100)
  const broken = cited.filter(({ target }) => {
    const [path = '', anchor] = target.split('#')
    return !existsSync(fileAt(path)) || (anchor !== undefined && !anchors(path).includes(anchor))
  })
  expect(broken).toEqual([])
})

test('code cites sections of the SMH protocol by links', () => {
  const bare = /\(§\d/
  const here = 'test/unit/documents.test.ts'
  const files = codeFiles().filter((file) => file !== here && bare.test(textAt(file)))
  expect(files).toEqual([])
})

test('CONTRIBUTING.md explains every script', () => {
  const text = textAt('CONTRIBUTING.md')
  const explained = (name: string) =>
    new RegExp(`^\\| .*\`npm (?:run )?${name}\`.* \\|`, 'm').test(text)
  // npm runs prepack on its own.
  const names = Object.keys(scripts).filter((name) => name !== 'prepack')
  expect(names.filter((name) => !explained(name))).toEqual([])
})

test('SECURITY.md names a test for every promise', () => {
  const [, section = ''] = textAt('SECURITY.md').split(/^## Promises$/m)
  const promises = (section.split(/^## /m)[0] ?? '').split(/^(?=\d+\. \*\*)/m).slice(1)
  expect(promises.length).toBeGreaterThan(20)
  expect(promises.filter((promise) => !/`(?:test|scripts)\//.test(promise))).toEqual([])
})

const client = 'docs/client.md'

test.each<[what: string, document: string, names: readonly string[]]>([
  [
    'metric',
    'docs/operating.md',
    namesIn(textAt('src/gateway/runtimes/node/metrics.ts'), /name: '(gateway_\w+)'/g),
  ],
  ['error code of the client', client, namesIn(textAt('src/client/errors.ts'), /^ \* - `(\w+)`/gm)],
  ['state of an upload', client, namesIn(textAt('src/client/types.ts'), /^ \*\s+- `(\w+)`/gm)],
])('every %s is explained in %s', (_what, document, names) => {
  expect(names.length).toBeGreaterThan(3)
  expect(names.filter((name) => !explains(document, name))).toEqual([])
})
