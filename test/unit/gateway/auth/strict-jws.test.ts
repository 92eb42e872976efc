import fc from 'fast-check'
import { base64url } from 'jose'
import { expect, test } from 'vitest'
import {
  isStrictCompactJws,
  MAX_NESTING,
  MAX_TOKEN_CHARACTERS,
} from '../../../../src/gateway/auth/strict-jws.ts'
import { hostileText } from '../../../support/hostile-values.ts'

const encode = (text: string | Uint8Array) => base64url.encode(text)
const header = encode('{"alg":"ES256"}')
const signature = encode(new Uint8Array(64))
const withPayload = (json: string) => `${header}.${encode(json)}.${signature}`

/** JSON of an object, with or without blanks between its tokens. */
const objects = fc
  .tuple(
    fc.dictionary(hostileText, fc.jsonValue(), { noNullPrototype: true }),
    fc.constantFrom(undefined, 1, '\t'),
  )
  .map(([value, space]) => JSON.stringify(value, null, space))
  .filter((json) => json.length < MAX_TOKEN_CHARACTERS / 4)

test('strict JWS: any JSON object is accepted as a payload', () => {
  fc.assert(
    fc.property(objects, (json) => {
      expect(isStrictCompactJws(withPayload(json))).toBe(true)
    }),
  )
})

test('strict JWS: a payload with a duplicate member is refused', () => {
  fc.assert(
    fc.property(objects, hostileText, fc.jsonValue(), fc.boolean(), (json, name, value, first) => {
      const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`
      const rest = json === '{}' ? '' : json.trim().slice(1, -1)
      const both = [member, rest, member].filter((text) => text.trim() !== '')
      const twice = first ? both : [...both.slice(1), ...both.slice(0, 1)]
      expect(isStrictCompactJws(withPayload(`{${twice.join(',')}}`))).toBe(false)
    }),
  )
})

test('strict JWS: only the canonical base64url encoding is accepted', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= '
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), (bytes) => {
      const token = `${header}.${encode('{}')}.${encode(bytes)}`
      expect(isStrictCompactJws(token)).toBe(true)
      for (const last of alphabet) {
        const spelling = encode(bytes).slice(0, -1) + last
        const only = Buffer.from(spelling, 'base64url').toString('base64url') === spelling
        expect(isStrictCompactJws(`${header}.${encode('{}')}.${spelling}`)).toBe(only)
      }
    }),
  )
})

test.each([
  '',
  '.',
  '..',
  header,
  `${header}.${encode('{}')}`,
  `${header}..${signature}`,
  `.${encode('{}')}.${signature}`,
  `${withPayload('{}')}.`,
  `${withPayload('{}')}\n`,
  `${withPayload('{}')}=`,
  ` ${withPayload('{}')}`,
  withPayload(''),
  withPayload('null'),
  withPayload('[]'),
  withPayload('"x"'),
  withPayload('\ufeff{}'),
  withPayload('{}{}'),
  withPayload('{"a":1,"\\u0061":2}'),
  `${header}.${encode(Uint8Array.of(0x7b, 0xff, 0x7d))}.${signature}`,
])('strict JWS: %j is refused', (token) => {
  expect(isStrictCompactJws(token)).toBe(false)
})

test.each(['[]', '{"a":}'])('strict JWS: nesting of %s is accepted up to the limit', (pair) => {
  const opening = pair.slice(0, -1)
  const nested = (levels: number) =>
    `{"a":${opening.repeat(levels - 1)}0${pair.slice(-1).repeat(levels - 1)}}`
  expect(isStrictCompactJws(withPayload(nested(MAX_NESTING)))).toBe(true)
  expect(isStrictCompactJws(withPayload(nested(MAX_NESTING + 1)))).toBe(false)
})

test('strict JWS: brackets in a string do not count as nesting', () => {
  expect(isStrictCompactJws(withPayload(`{"a":"${'[{'.repeat(100)}\\"["}`))).toBe(true)
})

test('strict JWS: a token is accepted up to the maximum length', () => {
  const tokenOf = (characters: number) => {
    const start = `${header}.${encode('{}')}.`
    return start + 'A'.repeat(characters - start.length)
  }
  const most = [0, 1, 2].map((less) => tokenOf(MAX_TOKEN_CHARACTERS - less))
  expect(most.some(isStrictCompactJws)).toBe(true)
  for (const more of [1, 2, 3, 4]) {
    expect(isStrictCompactJws(tokenOf(MAX_TOKEN_CHARACTERS + more))).toBe(false)
  }
})

test('strict JWS: a missing signature is accepted, for jose to refuse', () => {
  expect(isStrictCompactJws(`${header}.${encode('{}')}.`)).toBe(true)
})
