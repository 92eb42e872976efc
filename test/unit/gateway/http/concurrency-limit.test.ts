import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../src/gateway/errors.ts'
import {
  createConcurrencyLimit,
  withPermit,
} from '../../../../src/gateway/http/concurrency-limit.ts'
import { createPipeline } from '../../../../src/gateway/http/pipeline.ts'
import type { AppEnv } from '../../../../src/gateway/http/request-context.ts'
import { noMetrics } from '../../../../src/gateway/ports.ts'

const SERVED_MS = 90_000
const WAITED_MS = 30_000

/** Limits with a clock of their own, and an app that answers every user at once as far as they allow. */
function startLimited(max: number) {
  let now = 0
  const limits = createConcurrencyLimit({
    max,
    servedMs: SERVED_MS,
    waitedMs: WAITED_MS,
    monotonicClock: () => now,
    metrics: noMetrics,
  })
  const servedBy = createPipeline({
    log: () => {},
    metrics: noMetrics,
    respondError: (_, error) =>
      new Response(null, { status: error instanceof GatewayError ? 503 : 500 }),
  })
  const app = new Hono<AppEnv>()
  app.get(
    '/:user',
    servedBy([
      (request) => {
        const permit = limits.served.acquire(request.hono.req.param('user'))
        request.onResponseClosed(() => limits.served.release(permit))
        return undefined
      },
      () => new Response(),
    ]),
  )
  const waiting: (() => void)[] = []
  const responseClosed = (done: () => void) => void waiting.push(done)
  return {
    limits,
    pass(ms: number) {
      now += ms
    },
    ask: async (user: string, bindings: AppEnv['Bindings'] = { responseClosed }) =>
      (await app.request(`/${user}`, {}, bindings)).status,
    /** All responses that wait are taken by their clients. */
    take: () => {
      for (const done of waiting.splice(0)) done()
    },
  }
}

const never = new Promise<never>(() => {})

test('permits: a request holds its permit until its response is sent', async () => {
  const { ask, take } = startLimited(4)
  expect([await ask('ann'), await ask('ann'), await ask('ann')]).toEqual([200, 200, 503])
  take()
  expect([await ask('ann'), await ask('ann'), await ask('bob'), await ask('bob')]).toEqual([
    200, 200, 200, 200,
  ])
  expect(await ask('eve')).toBe(503)
  take()
  expect(await ask('eve')).toBe(200)
})

test('permits: without a report from the server, a permit is released when the response is ready', async () => {
  const { ask } = startLimited(1)
  expect([await ask('ann', {}), await ask('ann', {})]).toEqual([200, 200])
})

test('permits: an old permit is dropped, but only when all permits are in use', async () => {
  const { ask, pass, take } = startLimited(4)
  expect([await ask('ann'), await ask('ann'), await ask('bob')]).toEqual([200, 200, 200])
  pass(SERVED_MS - 1)
  expect([await ask('ann'), await ask('bob'), await ask('eve')]).toEqual([503, 200, 503])
  pass(1)
  // Three have ended, one of bob has not.
  expect([await ask('ann'), await ask('ann'), await ask('ann')]).toEqual([200, 200, 503])
  expect([await ask('eve'), await ask('eve')]).toEqual([200, 503])
  // Those that had ended are not released once more.
  take()
  const again = [await ask('ann'), await ask('ann'), await ask('bob'), await ask('bob')]
  expect([...again, await ask('eve')]).toEqual([200, 200, 200, 200, 503])
})

test.each([
  ['bodies of one user', 2, 1],
  ['bodies of many users', 16, 16],
])(
  'permits: %s: at most %i are received at once, separately from served requests',
  async (_, most, users) => {
    const { limits, ask, pass } = startLimited(4)
    const receive = (number: number) =>
      withPermit(limits.received, `user-${number % users}`, () => never)
    for (let number = 0; number < most; number += 1) void receive(number)
    await expect(receive(0)).rejects.toMatchObject({ code: 'overloaded' })
    expect(await ask('eve')).toBe(200)
    pass(WAITED_MS)
    await withPermit(limits.received, 'user-0', async () => {})
  },
)

test('permits: four times as many tokens are verified at once, separately from served requests', async () => {
  const { limits, ask, pass } = startLimited(4)
  const verify = (work: () => Promise<unknown>) => withPermit(limits.verified, undefined, work)
  for (let number = 0; number < 16; number += 1) void verify(() => never)
  await expect(verify(() => never)).rejects.toMatchObject({ code: 'overloaded' })
  expect(await ask('ann')).toBe(200)
  pass(WAITED_MS)
  for (let number = 0; number < 17; number += 1) {
    await expect(verify(() => Promise.reject(new Error('bad')))).rejects.toThrow('bad')
  }
})
