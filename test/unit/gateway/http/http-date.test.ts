import { expect, test } from 'vitest'
import { httpDate } from '../../../../src/gateway/http/http-date.ts'

test('HTTP date: each time has its own second, in any order', () => {
  const times = [0, 999, 1000, 1_800_000_000_123, 999, 1_800_000_000_999, 253_402_300_799_999]
  expect(times.map(httpDate)).toEqual(times.map((ms) => new Date(ms).toUTCString()))
})
