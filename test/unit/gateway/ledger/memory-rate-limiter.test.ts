import { describe, expect, test } from 'vitest'
import { createMemoryRateLimiter } from '../../../../src/gateway/ledger/memory-rate-limiter.ts'

/** A limiter, and a clock for it. */
function limiter(perMinute: number) {
  let now = Date.UTC(2026, 0, 2)
  const { consume } = createMemoryRateLimiter(perMinute, () => now)
  return {
    consume,
    pass(ms: number) {
      now += ms
    },
    /** How many calls are allowed before one has to wait. */
    async burst(user: string) {
      let begun = 0
      while ((await consume(user)) === 0) begun += 1
      return begun
    },
  }
}

describe('memory rate limiter', () => {
  test.each([1, 2, 7, 13, 120, 997, 10_000])(
    'a user may make %i calls at once',
    async (perMinute) => {
      expect(await limiter(perMinute).burst('ann')).toBe(perMinute)
    },
  )

  test.each([1, 7, 120, 1200])(
    'after a burst a user may make %i calls a minute, at an even rate',
    async (perMinute) => {
      const { consume, pass, burst } = limiter(perMinute)
      await burst('ann')
      for (let turn = 0; turn < 5; turn += 1) {
        pass(60_000 / perMinute)
        expect(await consume('ann')).toBe(0)
        expect(await consume('ann')).toBeGreaterThan(0)
      }
      pass(60_000)
      expect(await burst('ann')).toBe(perMinute)
    },
  )

  test.each([
    [1, 60],
    [2, 30],
    [120, 1],
  ])('of %i: one more must wait %i s, and then succeeds', async (perMinute, seconds) => {
    const { consume, pass, burst } = limiter(perMinute)
    await burst('ann')
    expect(await consume('ann')).toBe(seconds)
    pass(seconds * 1000)
    expect(await consume('ann')).toBe(0)
  })

  test('a rejected call does not extend the wait', async () => {
    const { consume, pass, burst } = limiter(2)
    await burst('ann')
    for (let times = 0; times < 10; times += 1) await consume('ann')
    pass(30_000)
    expect(await consume('ann')).toBe(0)
  })

  test('each user has a separate limit', async () => {
    const { consume, burst } = limiter(3)
    await burst('ann')
    expect(await consume('bob')).toBe(0)
  })

  test('0 means no limit', async () => {
    const { consume } = limiter(0)
    for (let begun = 0; begun < 1000; begun += 1) expect(await consume('ann')).toBe(0)
  })
})
