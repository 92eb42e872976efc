import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { configVariables } from '../../src/gateway/config/variables.ts'
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
const { scripts } = JSON.parse(readFileSync(fileAt('package.json'), 'utf8'))

describe.each(['README.md', 'SECURITY.md', 'CHANGELOG.md'])('%s', (document) => {
  const text = readFileSync(fileAt(document), 'utf8')

  test('names only files that exist', () => {
    const named = [...text.matchAll(/`((?:src|test|openapi|bench)\/[\w./-]*)`/g)]
    const missing = named.map((match) => match[1] ?? '').filter((path) => !existsSync(fileAt(path)))
    expect(missing).toEqual([])
  })

  test('names only scripts that exist', () => {
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? '')
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})

describe.each(documents)('%s', (document) => {
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
})

test('code cites only documents and anchors that exist', () => {
  const cited = codeFiles().flatMap((file) =>
    [
      ...readFileSync(fileAt(file), 'utf8').matchAll(/docs\/[\w/-]+\.md(?:#[\w-]+(?:\.\d+)*)?/g),
    ].map(([target]) => ({ file, target })),
  )
  expect(cited.length).toBeGreaterThan(100)
  const broken = cited.filter(({ target }) => {
    const [path = '', anchor] = target.split('#')
    return !existsSync(fileAt(path)) || (anchor !== undefined && !anchors(path).includes(anchor))
  })
  expect(broken).toEqual([])
})

test('README.md explains every script', () => {
  const text = readFileSync(fileAt('README.md'), 'utf8')
  const explained = (name: string) =>
    new RegExp(`^\\| .*\`npm (?:run )?${name}\`.* \\|`, 'm').test(text)
  // npm runs prepack on its own.
  const names = Object.keys(scripts).filter((name) => name !== 'prepack')
  expect(names.filter((name) => !explained(name))).toEqual([])
})

test('SECURITY.md names a test for every promise', () => {
  const text = readFileSync(fileAt('SECURITY.md'), 'utf8')
  const [, section = ''] = text.split(/^## Promises$/m)
  const promises = (section.split(/^## /m)[0] ?? '').split(/^(?=\d+\. \*\*)/m).slice(1)
  expect(promises.length).toBeGreaterThan(20)
  expect(promises.filter((promise) => !/`(?:test|scripts)\//.test(promise))).toEqual([])
})

/** What `pattern` finds in a source file, its first group each time. */
function namesIn(path: string, pattern: RegExp): string[] {
  const text = readFileSync(fileAt(path), 'utf8')
  return [...text.matchAll(pattern)].map((match) => match[1] ?? '')
}

test.each<[what: string, names: readonly string[]]>([
  ['error code of the client', namesIn('src/client/errors.ts', /^ \* - `(\w+)`/gm)],
  ['state of an upload', namesIn('src/client/types.ts', /^ \*\s+- `(\w+)`/gm)],
  ['metric', namesIn('src/gateway/runtimes/node/metrics.ts', /name: '(gateway_\w+)'/g)],
])('README.md explains every %s', (_what, names) => {
  expect(names.length).toBeGreaterThan(3)
  expect(names.filter((name) => !explains('README.md', name))).toEqual([])
})

describe("the README's code", () => {
  test('is of a kind that some test looks at', () => {
    expect(codeLanguages('README.md').toSorted()).toEqual([
      'json',
      'mermaid',
      'nginx',
      'sh',
      'toml',
      'ts',
    ])
  })

  test('in TypeScript is what test/package compiles and runs', () => {
    const [client, plugin, ...others] = codeBlocks('README.md', 'ts')
    expect(client).toContain("from 'smh-upload-client'")
    expect(plugin).toContain("from 'smh-upload-client/uppy'")
    expect(others).toEqual([])
  })

  test('in TOML sets variables that there are', () => {
    const lines = codeBlocks('README.md', 'toml').join('\n')
    const named = [...lines.matchAll(/^(\w+) = /gm)].map((match) => match[1] ?? '')
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((name) => !configVariables.includes(name))).toEqual([])
  })

  test('in JSON is a line of the log', () => {
    for (const line of codeBlocks('README.md', 'json')) {
      expect(JSON.parse(line)).toMatchObject({ event: 'request', operation: 'beginUpload' })
    }
  })
})
