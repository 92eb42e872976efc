import { expect, test } from 'vitest'
import { CallOutFault } from '../../src/call-out.ts'
import { noMetrics } from '../../src/deps.ts'
import { createCallSmh } from '../../src/smh/call.ts'
import { createRetryBudget } from '../../src/smh/retry-budget.ts'

function start() {
  let now = 0
  const budget = createRetryBudget(() => now)
  /** Retries that may be made now. */
  const all = () => {
    let count = 0
    while (count < 1000 && budget.spend()) count += 1
    return count
  }
  const advance = (seconds: number) => {
    now += seconds * 1000
  }
  return { budget, all, advance }
}

test('retry budget: the reserve is ten, and one comes back each second', () => {
  const { all, advance } = start()
  expect(all()).toBe(10)
  advance(3)
  expect(all()).toBe(3)
  advance(3600)
  expect(all()).toBe(10)
})

test('retry budget: ten calls earn one retry, and at most 100 are earned in advance', () => {
  const { budget, all } = start()
  all()
  for (let call = 0; call < 50; call += 1) budget.earn()
  expect(all()).toBe(5)
  for (let call = 0; call < 5000; call += 1) budget.earn()
  expect(all()).toBe(100)
})

test('calls to SMH that all fail are retried within the budget, and each ends', async () => {
  const budget = createRetryBudget(() => 0)
  let sent = 0
  const callSmh = createCallSmh(
    'http://smh.example',
    1000,
    async () => {
      sent += 1
      throw new CallOutFault('lost')
    },
    noMetrics,
    budget,
  )
  const call = { operation: 'x', method: 'GET', path: '/x', query: {}, repeatable: true } as const
  const bounds = { endsAt: Number.POSITIVE_INFINITY }
  const results = await Promise.allSettled(Array.from({ length: 100 }, () => callSmh(call, bounds)))
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['rejected']))
  // Without a budget it would be 300.
  expect(sent).toBe(120)
})
