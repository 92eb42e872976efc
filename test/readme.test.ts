import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { configVariables } from '../src/config-variables.ts'
import { readmeBlocks, readmeLanguages } from './support/readme.ts'

const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

describe("the README's code", () => {
  test('is of a kind that some test looks at', () => {
    expect(readmeLanguages()).toEqual(['json', 'mermaid', 'nginx', 'sh', 'toml', 'ts'])
  })

  test('in TypeScript is what test/package compiles and runs', () => {
    const [client, plugin, ...others] = readmeBlocks('ts')
    expect(client).toContain("from 'smh-upload-gateway/client'")
    expect(plugin).toContain("from 'smh-upload-gateway/uppy'")
    expect(others).toEqual([])
  })

  test('in the shell runs scripts that there are', () => {
    const lines = readmeBlocks('sh').join('\n')
    const named = [...lines.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] ?? '')
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('in TOML sets variables that there are', () => {
    const lines = readmeBlocks('toml').join('\n')
    const named = [...lines.matchAll(/^(\w+) = /gm)].map((match) => match[1] ?? '')
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((name) => !configVariables.includes(name))).toEqual([])
  })

  test('in JSON is a line of the log', () => {
    for (const line of readmeBlocks('json')) {
      expect(JSON.parse(line)).toMatchObject({ event: 'request', operation: 'beginUpload' })
    }
  })
})
