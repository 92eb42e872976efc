import { expect, test } from 'vitest'
import { parseTrustworthyUrl } from '../../../../src/gateway/config/secure-url.ts'

test.each([
  ['https://a.example/x?y', true],
  ['HTTPS://a.example', true],
  ['http://localhost:1', true],
  ['http://127.255.0.1', true],
  ['http://127.1', true],
  ['http://[::1]/', true],
  ['http://a.example', false],
  ['http://localhost.example', false],
  ['http://127.0.0.1.example', false],
  ['http://x127.0.0.1', false],
  ['http://xlocalhost', false],
  ['see https://a.example', false],
  ['http://[::2]', false],
  ['https://u@a.example', false],
  ['https://:p@a.example', false],
  ['ftp://localhost', false],
  ['https:a.example', false],
  ['https://a.ex\tample', false],
  ['https://', false],
  ['xhttps://a.example', false],
  ['', false],
])('parseTrustworthyUrl: %j is trusted: %j', (text, expected) => {
  expect(parseTrustworthyUrl(text) instanceof URL).toBe(expected)
})
