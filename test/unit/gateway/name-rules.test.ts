import { describe, expect, test } from 'vitest'
import { isClaimedSpaceId, validateName } from '../../../src/gateway/name-rules.ts'

describe('validateName', () => {
  test.each([
    'clip.mp4',
    'with space.txt',
    '100%',
    'a+b#c&d=e',
    '照片.jpg',
    '🎞️ film.mov',
    '.hidden',
    'a..b',
    '...x',
    'x'.repeat(255),
    '🎞'.repeat(255),
    '%41',
    '%2f'.replace('2f', '2g'),
    'AC\uff0fDC.mp3',
    '\uff0f',
    '1\u20442 cup.txt',
    '\u7b2c\u4e00\u7ae0\uff1a\u6807\u9898\uff1f.txt',
    'wait\u2026',
  ])('%j is valid', (name) => {
    expect(validateName(name)).toBeUndefined()
  })

  test.each([
    ['', 'empty segment'],
    ['.', 'dot segment'],
    ['..', 'dot segment'],
    ['%2e', 'dot segment'],
    ['%2E.', 'dot segment'],
    ['.%252e', 'dot segment'],
    ['\uff0e\uff0e', 'dot segment'],
    ['\u2025', 'dot segment'],
    ['\u2024\u2024', 'dot segment'],
    ['..\uff0f..\uff0fbob', 'dot segment'],
    ['a\u2215..\u2215bob', 'dot segment'],
    ['a\u2044%2e%2e', 'dot segment'],
    ['..\uff3cbob', 'dot segment'],
    ['\uff052e\uff052e', 'dot segment'],
    ['a\u0000b', 'control'],
    ['a\nb', 'control'],
    ['a\u007fb', 'control'],
    ['a\u0085b', 'control'],
    ['a\\b', 'characters'],
    ['a/b', 'characters'],
    ['a:b', 'characters'],
    ['a*b', 'characters'],
    ['a?b', 'characters'],
    ['a"b', 'characters'],
    ['a<b', 'characters'],
    ['a>b', 'characters'],
    ['a|b', 'characters'],
    ['a%2fb', 'encoded'],
    ['a%2Fb', 'encoded'],
    ['a%252Fb', 'encoded'],
    ['a%25255cb', 'encoded'],
    ['a%5Cb', 'encoded'],
    ['a%00b', 'encoded'],
    [' a', 'space'],
    ['a ', 'space'],
    ['\u3000a', 'space'],
    ['a.', 'ends with a dot'],
    ['x'.repeat(256), '255 characters'],
    ['\ud800', 'well-formed'],
  ])('%j is rejected', (name, why) => {
    expect(validateName(name)).toContain(why)
  })
})

test.each([
  ['space_1-A', true],
  ['a'.repeat(128), true],
  ['a'.repeat(129), false],
  ['-', false],
  ['--', true],
  ['', false],
  ['a,b', false],
  ['a/b', false],
  ['a\n', false],
  [['a'], false],
  [7, false],
  [undefined, false],
])('isClaimedSpaceId(%j) is %j', (value, expected) => {
  expect(isClaimedSpaceId(value)).toBe(expected)
})
