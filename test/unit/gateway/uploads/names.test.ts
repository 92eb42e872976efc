import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { validateName } from '../../../../src/gateway/name-rules.ts'
import {
  folderName,
  MAX_PATH_CHARACTERS,
  parsePath,
} from '../../../../src/gateway/uploads/names.ts'
import { hostileText } from '../../../support/hostile-values.ts'

describe('path', () => {
  test('is split at slashes and normalized to NFC', () => {
    expect(parsePath('e\u0301te\u0301/clip.mp4')).toEqual({ names: ['\u00e9t\u00e9', 'clip.mp4'] })
  })

  test('may start with one slash', () => {
    expect(parsePath('/a/b')).toEqual({ names: ['a', 'b'] })
    expect(parsePath('//a')).toHaveProperty('issue')
  })

  test.each(['', '/', 'a//b', 'a/', '../a', 'a/../b', 'a/./b', 'a\\..\\b'])(
    '%j is rejected',
    (path) => {
      expect(parsePath(path)).toHaveProperty('issue')
    },
  )

  test('has at most 1024 characters, counted as code points', () => {
    const level = '🎞'.repeat(127)
    const longest = Array.from({ length: 8 }, () => level).join('/')
    expect([...longest].length).toBe(MAX_PATH_CHARACTERS - 1)
    expect(parsePath(`${longest}x`)).toHaveProperty('names')
    expect(parsePath(`${longest}xy`)).toHaveProperty('issue')
  })
})

test('path: the limit of 1024 characters also applies after normalization', () => {
  const level = '\ufb2c'.repeat(84)
  const path = Array.from({ length: 12 }, () => level).join('/')
  expect([...path].length).toBeLessThanOrEqual(MAX_PATH_CHARACTERS)
  expect(parsePath(path)).toHaveProperty('issue')
})

test('path: a path that is too long is rejected before the slow normalization', () => {
  const compose = vi.spyOn(String.prototype, 'normalize')
  onTestFinished(() => compose.mockRestore())
  const marks = `a${'\u0315'.repeat(16_000)}${'\u0300'.repeat(16_000)}`
  expect(parsePath(marks)).toHaveProperty('issue')
  expect(compose).not.toHaveBeenCalled()
})

describe('path (property)', () => {
  const decoded = (text: string) => {
    try {
      return decodeURIComponent(text)
    } catch {
      return text
    }
  }

  test('an accepted path stays below its folder, even if it is decoded several times', () => {
    fc.assert(
      fc.property(hostileText, (path) => {
        const parsed = parsePath(path)
        if ('issue' in parsed) return
        let asked = `/users/ann/${parsed.names.map(encodeURIComponent).join('/')}`
        expect(new URL(asked, 'https://smh.example').pathname).toBe(asked)
        const levels = asked.split('/').length
        for (let times = 0; times < 5; times += 1) {
          const segments = asked.split(/[/\\]/)
          expect(segments).toHaveLength(levels)
          expect(segments.slice(1).filter((segment) => /^\.{0,2}$/.test(segment))).toEqual([])
          asked = decoded(asked)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('an accepted path is accepted again and does not change', () => {
    fc.assert(
      fc.property(hostileText, (path) => {
        const parsed = parsePath(path)
        if ('issue' in parsed) return
        expect(parsePath(parsed.names.join('/'))).toEqual(parsed)
        expect(parsed.names.join('/').isWellFormed()).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

/** Any text that has a UTF-8 form. fast-check's own takes seconds to be made. */
const claimText = fc
  .array(fc.oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff })), {
    minLength: 1,
    maxLength: 80,
  })
  .map((codes) => String.fromCodePoint(...codes))

describe('folder name of a claim', () => {
  test.each([
    ['ann', 'ann'],
    ['ann.lee-2_x', 'ann.lee-2_x'],
    ['Ann', '=41nn'],
    ['auth0|5f7', 'auth0=7C5f7'],
    ['a@b.example', 'a=40b.example'],
    ['a/b', 'a=2Fb'],
    ['..', '=2E=2E'],
    ['.', '=2E'],
    ['.a.', '=2Ea=2E'],
    ['=', '=3D'],
    ['é', '=C3=A9'],
  ])('%j is %j', (value, folder) => {
    expect(folderName(value)).toBe(folder)
  })

  test.each(['', '\ud800', 'a\udc00'])('%j has no folder name', (value) => {
    expect(folderName(value)).toBeUndefined()
  })

  test('is a valid name for any claim', () => {
    fc.assert(
      fc.property(claimText, (value) => {
        const folder = folderName(value)
        expect(folder).toMatch(/^[a-z0-9_.=A-F-]+$/)
        expect(validateName(folder as string)).toBeUndefined()
      }),
    )
  })

  test('two claims never have the same folder name, even when case is ignored', () => {
    fc.assert(
      fc.property(claimText, (value) => {
        const folder = (folderName(value) as string).toLowerCase()
        const decoded = folder.replace(/=([0-9a-f]{2})/g, '%$1')
        expect(decodeURIComponent(decoded)).toBe(value)
      }),
    )
  })
})
