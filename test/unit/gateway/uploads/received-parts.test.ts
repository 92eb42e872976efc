import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../../src/gateway/errors.ts'
import {
  checkReceivedParts,
  MIN_PART_BYTES,
} from '../../../../src/gateway/uploads/received-parts.ts'

const MiB = MIN_PART_BYTES

/** What the check says of parts with these sizes by number. */
function check(sizes: Record<number, number>, size: number, maxBytes = 100 * MiB) {
  const parts = Object.entries(sizes).map(([number, bytes]) => ({
    partNumber: Number(number),
    size: bytes,
    eTag: '"e"',
    lastModified: '2026-03-09T11:23:01.000Z',
  }))
  try {
    checkReceivedParts(parts, size, maxBytes)
    return 'whole'
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return error.details.missingParts ? [error.code, ...error.details.missingParts] : error.code
  }
}

describe('received parts', () => {
  test.each([
    ['one part', { 1: 10 }, 10],
    ['several, the last one short', { 1: MiB, 2: MiB, 3: 1 }, 2 * MiB + 1],
    ['parts of different sizes', { 1: 3 * MiB, 2: MiB }, 4 * MiB],
  ])('are complete: %s', (_, sizes, size) => {
    expect(check(sizes, size)).toBe('whole')
  })

  test.each([
    ['none at all', {}, 10, [1]],
    ['no first', { 2: MiB }, 2 * MiB, [1]],
    ['gaps', { 1: MiB, 3: MiB, 6: 5 }, 6 * MiB, [2, 4, 5]],
    ['one that is too small and not the last', { 1: MiB, 2: MiB - 1, 3: MiB }, 3 * MiB - 1, [2]],
  ])('are incomplete: %s', (_, sizes, size, missing) => {
    expect(check(sizes, size)).toEqual(['upload_incomplete', ...missing])
  })

  test.each([
    ['short', { 1: MiB, 2: 4 }, MiB + 5],
    ['long', { 1: MiB, 2: 6 }, MiB + 5],
  ])('differ from the declared size: %s', (_, sizes, size) => {
    expect(check(sizes, size)).toBe('size_mismatch')
  })

  test('exceed the maximum size, with and without gaps', () => {
    expect(check({ 1: MiB, 2: 1 }, MiB, MiB)).toBe('file_too_large')
    expect(check({ 3: MiB + 1 }, MiB, MiB)).toBe('file_too_large')
    expect(check({ 1: MiB }, MiB, MiB)).toBe('whole')
  })
})
