import { describe, expect, test } from 'vitest'
import { createStopwatch, retryAfterMs, untilByServer } from '../../../src/client/clock.ts'

test('stopwatch: follows the clock that advances most and never goes back', () => {
  let [steady, wall] = [0, 0]
  const now = createStopwatch([() => steady, () => wall])
  expect(now()).toBe(0)
  ;[steady, wall] = [10, 10]
  expect(now()).toBe(10)
  // The device slept: only the wall clock advanced.
  ;[steady, wall] = [11, 1010]
  expect(now()).toBe(1010)
  // The wall clock was set back.
  ;[steady, wall] = [21, -5000]
  expect(now()).toBe(1020)
  ;[steady, wall] = [21, -6000]
  expect(now()).toBe(1020)
})

test("untilByServer: measures by the server's clock", () => {
  const headers = new Headers({ Date: 'Mon, 09 Mar 2026 13:22:33 GMT' })
  expect(untilByServer(headers, 'Mon, 09 Mar 2026 13:24:33 GMT')).toBe(120_000)
  expect(untilByServer(headers, null)).toBeNaN()
  expect(untilByServer(new Headers(), 'Mon, 09 Mar 2026 13:24:33 GMT')).toBeNaN()
})

describe('Retry-After', () => {
  const date = 'Mon, 09 Mar 2026 13:22:33 GMT'
  test.each([
    ['in seconds', { 'Retry-After': '3' }, 3000],
    ['as a date', { 'Retry-After': 'Mon, 09 Mar 2026 13:22:43 GMT', Date: date }, 10_000],
    [
      'as a date that has passed',
      { 'Retry-After': 'Mon, 09 Mar 2026 13:22:03 GMT', Date: date },
      0,
    ],
    ['as a date without one to compare', { 'Retry-After': date }, undefined],
    ['as nonsense', { 'Retry-After': 'soon', Date: date }, undefined],
    ['not at all', {}, undefined],
  ])('%s', (_what, headers, expected) => {
    expect(retryAfterMs(new Headers(headers as Record<string, string>))).toBe(expected)
  })
})
