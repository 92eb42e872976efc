import { expect, test } from 'vitest'
import { findWords } from '../../scripts/words.ts'

test.each([
  ['a listed word', 'Whoever asks', [1, 'Whoever']],
  [
    'a phrase over two lines of a comment',
    '/**\n * waits for no\n * more than it',
    [2, 'no more than'],
  ],
  ['a name that is no longer used', 'a\nsteadyClock()', [2, 'steadyClock']],
])('word list: finds %s', (_what, text, [line, word]) => {
  expect(findWords(text)).toEqual([{ line, word, instead: expect.any(String) }])
})

test.each(['a steadyClocks', 'STEADYCLOCK', 'whoevers', 'no. More than'])(
  'word list: allows %j',
  (text) => {
    expect(findWords(text)).toEqual([])
  },
)
