import { expect, test } from 'vitest'
import { parseJson } from '../../../../src/gateway/smh/json.ts'

const long = 'x'.repeat(70_000)

test.each<[what: string, value: unknown]>([
  ['brackets in a string', { long, text: '[{'.repeat(100) }],
  ['quotes and backslashes in a string', { long, text: '\\"[\\\\'.repeat(100), after: '"[' }],
  ['many objects side by side', { long, list: Array(100).fill({ a: [{}] }) }],
])('parseJson: a long text with %s is parsed', (_, value) => {
  expect(parseJson(JSON.stringify(value))).toEqual(value)
})

test.each([
  ['arrays', `${'['.repeat(40_000)}${']'.repeat(40_000)}`],
  ['objects', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`],
  ['arrays after a string', `["${long}\\\\",${'['.repeat(20)}${']'.repeat(20)}]`],
])('parseJson: a long text of deeply nested %s is rejected', (_, text) => {
  expect(JSON.parse(text)).toBeDefined()
  expect(parseJson(text)).toBeUndefined()
})

test('parseJson: a text that is not JSON is rejected', () => {
  expect(parseJson('<html>')).toBeUndefined()
})
