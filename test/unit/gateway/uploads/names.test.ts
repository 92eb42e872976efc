import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { validateName } from '../../../../src/gateway/name-rules.ts'
import {
  folderName,
  MAX_PATH_CHARACTERS,
  parsePath,
} from '../../../../src/gateway/uploads/names.ts'
import { hostileText } from '../../../support/hostile-values.ts'

describe('a path', () => {
  test('is split at its slashes and brought into NFC', () => {
    expect(parsePath('e\u0301te\u0301/clip.mp4')).toEqual({ names: ['\u00e9t\u00e9', 'clip.mp4'] })
  })

  test('may have one slash in front', () => {
    expect(parsePath('/a/b')).toEqual({ names: ['a', 'b'] })
    expect(parsePath('//a')).toHaveProperty('issue')
  })

  test.each(['', '/', 'a//b', 'a/', '../a', 'a/../b', 'a/./b', 'a\\..\\b'])(
    '%j is refused',
    (path) => {
      expect(parsePath(path)).toHaveProperty('issue')
    },
  )

  test('has at most 1024 characters, however many code units they take', () => {
    const level = '🎞'.repeat(127)
    const longest = Array.from({ length: 8 }, () => level).join('/')
    expect([...longest].length).toBe(MAX_PATH_CHARACTERS - 1)
    expect(parsePath(`${longest}x`)).toHaveProperty('names')
    expect(parsePath(`${longest}xy`)).toHaveProperty('issue')
  })
})

test('a path has at most 1024 characters when it is composed, too', () => {
  const level = '\ufb2c'.repeat(84)
  const path = Array.from({ length: 12 }, () => level).join('/')
  expect([...path].length).toBeLessThanOrEqual(MAX_PATH_CHARACTERS)
  expect(parsePath(path)).toHaveProperty('issue')
})

test('a path that is too long is not composed: that would take its time', () => {
  const compose = vi.spyOn(String.prototype, 'normalize')
  onTestFinished(() => compose.mockRestore())
  const marks = `a${'\u0315'.repeat(16_000)}${'\u0300'.repeat(16_000)}`
  expect(parsePath(marks)).toHaveProperty('issue')
  expect(compose).not.toHaveBeenCalled()
})

describe('any path', () => {
  const decoded = (text: string) => {
    try {
      return decodeURIComponent(text)
    } catch {
      return text
    }
  }

  test('that is taken stays below the folder it is put in, however often it is decoded', () => {
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

  test('that is taken is taken again as it is', () => {
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

describe('a folder made of a claim', () => {
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

  test.each(['', '\ud800', 'a\udc00'])('cannot be made of %j', (value) => {
    expect(folderName(value)).toBeUndefined()
  })

  test('is a valid name, whatever the claim says', () => {
    fc.assert(
      fc.property(claimText, (value) => {
        const folder = folderName(value)
        expect(folder).toMatch(/^[a-z0-9_.=A-F-]+$/)
        expect(validateName(folder as string)).toBeUndefined()
      }),
    )
  })

  test('gives back its value, so that no two values share one, not even ignoring case', () => {
    fc.assert(
      fc.property(claimText, (value) => {
        const folder = (folderName(value) as string).toLowerCase()
        const decoded = folder.replace(/=([0-9a-f]{2})/g, '%$1')
        expect(decodeURIComponent(decoded)).toBe(value)
      }),
    )
  })
})
