import { describe, expect, test } from 'vitest'
import { startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

describe('begin: a name reaches SMH unchanged', () => {
  test.each([
    'a b.txt',
    '100%.txt',
    '%41.txt',
    '%.txt',
    'a#b.txt',
    'a+b.txt',
    'a&b=c.txt',
    "it's (1) [2] {3}!.txt",
    'a;b,c@d$e.txt',
    '照片.jpg',
    'smile 😀.png',
    '👩‍👩‍👧.png',
    'e\u0301.txt'.normalize('NFC'),
    '.profile',
    'no-extension',
    'two..dots.tar.gz',
    'multipart',
    'confirm&upload',
    'İstanbul ß ﬁ.txt',
  ])('%s', async (name) => {
    const harness = await startHarness()
    const stored = await harness.upload(`${name}/${name}`, [new Uint8Array(3)])
    expect(stored).toMatchObject({ path: [name, name], name })
    const [file] = harness.emulator.controls.files()
    expect(file?.path).toEqual(['users', 'ann', name, name])
  })

  test('the longest name, counted in characters', async () => {
    const harness = await startHarness()
    const name = '😀'.repeat(255)
    await harness.begin({ path: name, size: 3 })
    expect(harness.emulator.controls.openTasks()[0]?.path).toEqual(['users', 'ann', name])
  })

  test('a decomposed name arrives composed (NFC)', async () => {
    const harness = await startHarness()
    await harness.begin({ path: 'cafe\u0301/e\u0301.txt', size: 3 })
    const [task] = harness.emulator.controls.openTasks()
    expect(task?.path).toEqual(['users', 'ann', 'caf\u00e9', '\u00e9.txt'])
  })

  test('one leading slash is ignored', async () => {
    const harness = await startHarness()
    await harness.begin({ path: '/a/b.txt', size: 3 })
    expect(harness.emulator.controls.openTasks()[0]?.path).toEqual(['users', 'ann', 'a', 'b.txt'])
  })
})

describe('begin: a path is refused before SMH is called', () => {
  test.each<[why: string, paths: string[]]>([
    ['forbidden characters', [...'\\:*?"<>|'].map((character) => `a/b${character}c.txt`)],
    [
      'forbidden characters in a folder',
      [...'\\:*?"<>|'].map((character) => `b${character}c/a.txt`),
    ],
    ['dots', ['..', '.', '../a', 'a/..', 'a/../b', './a', 'a/./b', 'a/../../../bob/b', '/..']],
    ['encoded dots', ['%2e%2e/a', '%2E%2e', '.%2e/a', '%252e%252e/a', '%25252e./a']],
    ['encoded slashes', ['..%2fa', 'a%2Fb', '..%252f..%252fa', 'a%5cb', '..%5C..', 'a%255Cb']],
    [
      'characters that look like dots and slashes',
      ['\uff0e\uff0e/a', '\u2025/a', '..\uff0f..\uff0fbob', '..\u2215a'],
    ],
    ['other slashes', ['..\\a', 'a\\..\\b', '//a', 'a//b', 'a/', '/', '']],
    [
      'NUL and control characters',
      ['a\u0000b', 'a%00b', 'a%2500', 'a\nb', 'a\u007fb', 'a\u0085b', '\u001b[2J'],
    ],
    [
      'leading white space, trailing white space and dots',
      [' a', 'a ', 'a/ b', 'a /b', '\u3000a', 'a.', 'a./b', '...'],
    ],
    ['lone surrogates', ['\ud800', 'a\udc00.txt']],
    ['too long', ['a'.repeat(256), `${'a'.repeat(256)}/b`, `${'a/'.repeat(512)}b`]],
  ])('%s', async (_, paths) => {
    const harness = await startHarness()
    for (const path of paths) {
      const response = await harness.request('POST', '/v1/uploads', { body: { path, size: 3 } })
      const problem = await expectProblem(response, 400, 'invalid_request')
      expect([path, problem.errors]).toEqual([
        path,
        [{ field: 'path', message: expect.any(String) }],
      ])
    }
    expect(harness.smhCalls()).toEqual([])
    expect(harness.emulator.controls.directories()).toEqual([])
  })
})

describe('begin: the folder of a user', () => {
  test.each(['../bob', 'bob/../ann', 'a/b', '.', '%2e%2e', 'ANN', ' ann', '用户', 'a\u0000'])(
    'the user %j has exactly one folder',
    async (sub) => {
      const harness = await startHarness()
      const user = { sub }
      await harness.begin({ path: 'a.txt', size: 3 })
      await harness.begin({ path: 'a.txt', size: 3 }, { as: user })
      const [ann, other] = harness.emulator.controls.openTasks()
      expect(other?.userId).toBe(sub)
      expect(other?.path).toEqual(['users', expect.stringMatching(/^[a-z0-9_.=A-F-]+$/), 'a.txt'])
      expect(other?.path).not.toEqual(ann?.path)
      expect(harness.emulator.controls.directories()).toHaveLength(3)
    },
  )
})
