import { expect, test } from 'vitest'
import { HttpClientError } from '../../../../src/gateway/http-client.ts'
import { noMetrics } from '../../../../src/gateway/ports.ts'
import { createRetryBudget } from '../../../../src/gateway/smh/retry-budget.ts'
import { createSmhTransport } from '../../../../src/gateway/smh/transport.ts'

function start() {
  let now = 0
  const budget = createRetryBudget(() => now)
  /** Retries that may be made now. */
  const all = (user?: string) => {
    let count = 0
    while (count < 1000 && budget.spend(user)) count += 1
    return count
  }
  const advance = (seconds: number) => {
    now += seconds * 1000
  }
  return { budget, all, advance }
}

test('retry budget: the reserve is ten retries, and one returns each second', () => {
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

test('retry budget: one user gets at most half of the reserve and half of its refill', () => {
  const { all, advance } = start()
  expect(all('ann')).toBe(5)
  advance(4)
  expect(all('ann')).toBe(2)
  expect(all('bob')).toBe(5)
})

test('retry budget: calls of a user who retries also earn retries for that user', () => {
  const { budget, all } = start()
  all('ann')
  for (let call = 0; call < 20; call += 1) budget.earn('ann')
  expect(all('ann')).toBe(2)
  for (let call = 0; call < 5000; call += 1) budget.earn('ann')
  expect(all('ann')).toBe(50)
  expect(all('bob')).toBe(5)
})

test('retry budget: a user whose calls SMH always refuses does not use up the retries of others', async () => {
  const budget = createRetryBudget(() => 0)
  const responses = {
    ann: { status: 409, text: '{"code":"PathConflict"}' },
    bob: 'connection_lost',
  } as const
  const sent = { ann: 0, bob: 0 }
  const sendAs = (user: 'ann' | 'bob') =>
    createSmhTransport(
      'http://smh.example',
      1000,
      {
        async request() {
          sent[user] += 1
          const response = responses[user]
          if (response === 'connection_lost') throw new HttpClientError(response)
          return { ...response, header: () => undefined }
        },
      },
      noMetrics,
      budget,
    )({ operation: 'x', method: 'GET', path: '/x', query: {}, repeatable: true, user }, limits)
  const limits = { deadline: Number.POSITIVE_INFINITY }
  await Promise.allSettled(Array.from({ length: 100 }, () => sendAs('ann')))
  await Promise.allSettled([sendAs('bob')])
  expect(sent.bob).toBe(3)
})

test('retry budget: when all calls to SMH fail, retries stay within the budget', async () => {
  const budget = createRetryBudget(() => 0)
  let sent = 0
  const send = createSmhTransport(
    'http://smh.example',
    1000,
    {
      async request() {
        sent += 1
        throw new HttpClientError('connection_lost')
      },
    },
    noMetrics,
    budget,
  )
  const request = {
    operation: 'x',
    method: 'GET',
    path: '/x',
    query: {},
    repeatable: true,
  } as const
  const limits = { deadline: Number.POSITIVE_INFINITY }
  const results = await Promise.allSettled(Array.from({ length: 100 }, () => send(request, limits)))
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['rejected']))
  // Without a budget it would be 300.
  expect(sent).toBe(120)
})
