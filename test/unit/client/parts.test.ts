import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  arrivedNumbers,
  cutIntoParts,
  defaultPartSize,
  MIB,
  partBytesFor,
  partsAtOnce,
  resumedPartBytes,
} from '../../../src/client/parts.ts'

const GIB = 1024 * MIB

describe('partBytesFor', () => {
  test.each([
    [1, 8 * MIB, 8 * MIB],
    [10_000 * MIB, MIB, MIB],
    [10_000 * MIB + 1, MIB, 2 * MIB],
    [10_000 * MIB + 1, 8 * MIB, 8 * MIB],
    [10_000 * 3 * MIB, 3 * MIB, 4 * MIB],
    [100_000 * MIB, 8 * MIB, 16 * MIB],
    [10_000 * 5 * GIB, 8 * MIB, 5 * GIB],
  ])('of a file of %d bytes with a floor of %d', (size, floor, expected) => {
    expect(partBytesFor(size, floor)).toBe(expected)
  })

  test('is the size that the app sets', () => {
    expect(partBytesFor(50_000_000, 8 * MIB)).toBe(8 * MIB)
  })

  test.each([
    [1, MIB, 1],
    [MIB, MIB, 1],
    [4 * MIB, MIB, 4],
    [50_000_000, MIB, 48],
    [128 * MIB, MIB, 128],
    [128 * MIB + 1, 2 * MIB, 65],
    [GIB, 8 * MIB, 128],
    [5 * GIB, 64 * MIB, 80],
    [100 * GIB, 64 * MIB, 1600],
    [10_000 * 64 * MIB, 64 * MIB, 10_000],
    [10_000 * 64 * MIB + 1, 128 * MIB, 5001],
    [10_000 * 5 * GIB, 5 * GIB, 10_000],
  ])('of a file of %d bytes is %d by default, which gives %d parts', (size, expected, count) => {
    expect(defaultPartSize(size)).toBe(expected)
    expect(partBytesFor(size, undefined)).toBe(expected)
    expect(Math.ceil(size / expected)).toBe(count)
  })

  test('leaves at least a quarter of the parts complete at half of a file of 4 MiB or more', () => {
    const sizes = fc.integer({ min: 4 * MIB, max: 10_000 * 5 * GIB })
    fc.assert(
      fc.property(sizes, (size) => {
        const partBytes = defaultPartSize(size)
        const count = Math.ceil(size / partBytes)
        expect(count).toBeLessThanOrEqual(10_000)
        const complete = Math.floor(size / 2 / partBytes) - partsAtOnce(count)
        expect(complete).toBeGreaterThanOrEqual(Math.floor(count / 4) - 1)
        expect(count * partBytes).toBeGreaterThanOrEqual(size)
      }),
    )
  })

  test('fails with file_too_large above 10,000 parts of 5 GiB', () => {
    expect(() => partBytesFor(10_000 * 5 * GIB + 1, MIB)).toThrow('10,000 parts')
    expect(() => defaultPartSize(10_000 * 5 * GIB + 1)).toThrow('10,000 parts')
  })
})

test('cutIntoParts: parts are contiguous and contain each byte once', () => {
  const sizes = fc.tuple(
    fc.integer({ min: 1, max: 300 * MIB }),
    fc.integer({ min: MIB, max: 9 * MIB }),
  )
  fc.assert(
    fc.property(sizes, ([size, partBytes]) => {
      const parts = cutIntoParts(size, partBytes)
      expect(parts.map(({ number }) => number)).toEqual(parts.map((_, index) => index + 1))
      let next = 0
      for (const part of parts) {
        expect(part.start).toBe(next)
        next += part.size
      }
      expect(next).toBe(size)
      for (const { size } of parts.slice(0, -1)) expect(size).toBe(partBytes)
      expect(parts.at(-1)!.size).toBeGreaterThan(0)
    }),
  )
})

test('arrivedNumbers: ignores parts of a wrong size', () => {
  const plan = cutIntoParts(2 * MIB + 5, MIB)
  const arrived = [
    { partNumber: 1, size: MIB },
    { partNumber: 2, size: MIB - 1 },
    { partNumber: 3, size: 5 },
    { partNumber: 4, size: 5 },
  ]
  expect(arrivedNumbers(plan, arrived)).toEqual([1, 3])
})

describe('resumedPartBytes', () => {
  test('is the size at begin, for any parts that have arrived', () => {
    const cases = fc
      .record({
        size: fc.integer({ min: 2, max: 200 * MIB }),
        before: fc.integer({ min: MIB, max: 9 * MIB }),
        configured: fc.integer({ min: MIB, max: 9 * MIB }),
      })
      .chain(({ size, before, configured }) => {
        const plan = cutIntoParts(size, before)
        const arrived = fc.subarray(plan, { minLength: 1 })
        return fc.record({
          size: fc.constant(size),
          configured: fc.constant(configured),
          plan: fc.constant(plan),
          arrived,
        })
      })
    fc.assert(
      fc.property(cases, ({ size, configured, plan, arrived }) => {
        const listed = arrived.map(({ number, size }) => ({ partNumber: number, size }))
        const now = cutIntoParts(size, resumedPartBytes(size, configured, listed))
        expect(arrivedNumbers(now, listed)).toEqual(arrived.map(({ number }) => number))
        // A single part may be the last part or another.
        if (arrived.length > 1) expect(now).toEqual(plan)
      }),
    )
  })

  test('is the configured size when nothing has arrived', () => {
    expect(resumedPartBytes(9 * MIB, 2 * MIB, [])).toBe(2 * MIB)
  })

  test('is the size of most parts when some are wrong', () => {
    const arrived = [
      { partNumber: 1, size: 2 * MIB },
      { partNumber: 2, size: 17 },
      { partNumber: 3, size: 2 * MIB },
    ]
    expect(resumedPartBytes(9 * MIB, MIB, arrived)).toBe(2 * MIB)
  })

  test('fails when parts do not fit into the file', () => {
    const arrived = [{ partNumber: 700, size: 3 }]
    expect(() => resumedPartBytes(9 * MIB, 8 * MIB, arrived)).toThrow('do not belong to this file')
  })
})
