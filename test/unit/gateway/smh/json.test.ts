import { expect, test } from 'vitest'
import { parseJson } from '../../../../src/gateway/smh/json.ts'

const long = 'x'.repeat(70_000)

test.each<[what: string, value: unknown]>([
  ['brackets in a string', { long, text: '[{'.repeat(100) }],
  ['quotes and backslashes in a string', { long, text: '\\"[\\\\'.repeat(100), after: '"[' }],
  ['many objects side by side', { long, list: Array(100).fill({ a: [{}] }) }],
])('a long reply with %s is read', (_, value) => {
  expect(parseJson(JSON.stringify(value))).toEqual(value)
})

test.each([
  ['arrays', `${'['.repeat(40_000)}${']'.repeat(40_000)}`],
  ['objects', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`],
  ['arrays after a string', `["${long}\\\\",${'['.repeat(20)}${']'.repeat(20)}]`],
])('a long reply of nested %s is none', (_, text) => {
  expect(JSON.parse(text)).toBeDefined()
  expect(parseJson(text)).toBeUndefined()
})

test('a reply that is no JSON is none', () => {
  expect(parseJson('<html>')).toBeUndefined()
})
