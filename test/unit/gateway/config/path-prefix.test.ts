import { describe, expect, test } from 'vitest'
import { pathPrefix } from '../../../../src/gateway/config/path-prefix.ts'

describe('UPLOAD_PATH_PREFIX', () => {
  test.each([
    ['/', []],
    ['/a/b/', [{ text: 'a' }, { text: 'b' }]],
    ['a b/cafe\u0301', [{ text: 'a b' }, { text: 'caf\u00e9' }]],
    [
      't-{org:id}.x/{a.b_c-d}',
      [
        { before: 't-', claim: 'org:id', after: '.x' },
        { before: '', claim: 'a.b_c-d', after: '' },
      ],
    ],
    ['.{sub}', [{ before: '.', claim: 'sub', after: '' }]],
  ])('%j is a prefix', (text, segments) => {
    expect(pathPrefix.read(text)).toEqual({ value: segments })
  })

  test.each([
    ['//', 'an empty segment'],
    ['a//b', 'an empty segment'],
    ['a/../b', 'a dot segment'],
    ['./a', 'a dot segment'],
    ['%2e/a', 'a dot segment'],
    ['a%2Fb', 'an encoded slash'],
    ['{sub}%2f', 'an encoded slash'],
    ['%2{sub}', 'a percent sign in front of a {claim}'],
    ['users/$'.concat('{sub}'), 'a $ in front of a {claim}'],
    ['{sub}.', 'ends with a dot'],
    ['a\\b', 'one of the characters'],
    ['a:{sub}', 'one of the characters'],
    ['a /b', 'starts or ends with a space'],
    ['a\u0007', 'a control character'],
    ['{a}{b}', 'two claims in one level'],
    ['{a}-{b}/c', 'two claims in one level'],
    ['{sub', 'a brace'],
    ['sub}', 'a brace'],
    ['{{sub}}', 'a brace'],
    ['}{', 'a brace'],
    ['{}', 'a {claim} whose name is not valid'],
    ['{a b}', 'a {claim} whose name is not valid'],
    ['{a/b}', 'a brace'],
    [Array(32).fill('a').join('/'), 'more than 31 levels'],
  ])('%j is rejected: %s', (text, why) => {
    expect(pathPrefix.read(text)).toEqual({ issue: expect.stringContaining(why) })
  })
})
