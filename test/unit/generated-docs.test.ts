import { readFileSync } from 'node:fs'
import { inspect, parseEnv } from 'node:util'
import { describe, expect, test } from 'vitest'
import { generatedFiles } from '../../scripts/docs/files.ts'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import { configVariables } from '../../src/gateway/config/variables.ts'
import { parseWith, requiredVariables } from '../support/config.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test.each(Object.entries(generatedFiles()))(
  '%s is up to date with the code: `npm run docs` changes nothing',
  (path, text) => {
    expect(read(path)).toBe(text)
  },
)

describe('.env.example', () => {
  const example = read('.env.example')

  test('sets nothing but the required variables', () => {
    expect(Object.keys(parseEnv(example)).sort()).toEqual(Object.keys(requiredVariables).sort())
  })

  test('shows all defaults: setting them changes nothing', () => {
    const all = parseEnv(example.replaceAll(/^# (?=[A-Z_]+=)/gm, ''))
    expect(Object.keys(all).sort()).toEqual([...configVariables].sort())
    expect(inspect(parseConfig({ ...all, ...requiredVariables }), { depth: null })).toBe(
      inspect(parseWith(), { depth: null }),
    )
  })
})
