import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { AppEnv } from '../src/app-env.ts'
import type { User } from '../src/authenticate.ts'
import { noMetrics } from '../src/deps.ts'
import { GatewayError } from '../src/errors.ts'
import { limitInFlight } from '../src/in-flight.ts'

/** Answers everybody at once, as far as `max` requests in flight allow. */
function startLimited(max: number) {
  const limits = limitInFlight(max, noMetrics)
  const app = new Hono<AppEnv>()
  app.get('/:user', (c) =>
    limits.ofAll(c, () => {
      c.set('user', { id: c.req.param('user') } as User)
      return limits.ofUser(c, async () => c.body(null))
    }),
  )
  app.onError((error, c) => c.body(null, error instanceof GatewayError ? 503 : 500))
  const waiting: (() => void)[] = []
  const whenTaken = (done: () => void) => void waiting.push(done)
  return {
    ask: async (user: string, bindings: AppEnv['Bindings'] = { whenTaken }) =>
      (await app.request(`/${user}`, {}, bindings)).status,
    /** Somebody takes all answers that lie there. */
    take: () => {
      for (const done of waiting.splice(0)) done()
    },
  }
}

test('an answer has its place until it has been taken', async () => {
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

test('where it cannot be told, until it is there', async () => {
  const { ask } = startLimited(1)
  expect([await ask('ann', {}), await ask('ann', {})]).toEqual([200, 200])
})
