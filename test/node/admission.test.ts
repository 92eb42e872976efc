import { expect, onTestFinished, test } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { createApp } from '../../src/gateway/app.ts'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import { noMetrics } from '../../src/gateway/ports.ts'
import { createUndiciClient } from '../../src/gateway/runtimes/node/undici-client.ts'
import { createSingleFlight } from '../../src/gateway/runtimes/shared/single-flight.ts'
import { emptyLedger } from '../support/empty-ledger.ts'
import { ann, bob, startHarness } from '../support/harness.ts'

/** An app with four permits behind a server whose clients take no response unless they say so. */
async function startUnread() {
  const harness = await startHarness()
  const httpClient = createUndiciClient()
  onTestFinished(() => httpClient.close())
  const app = createApp({
    config: parseConfig({ ...environmentOf(harness), MAX_IN_FLIGHT: '4' }),
    clock: Date.now,
    monotonicClock: () => performance.now(),
    log: () => {},
    httpClient,
    singleFlight: createSingleFlight(),
    ledger: emptyLedger(),
    otherCallsRateLimiter: { consume: async () => 0 },
    metrics: noMetrics,
    readDocsAsset: async () => undefined,
  })
  return {
    harness,
    async begin(authorization?: string) {
      const request = new Request('http://gateway/v1/uploads', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(authorization !== undefined && { authorization }),
        },
        body: '{"path":"a.txt","size":5}',
      })
      return (await app.fetch(request, { responseClosed: () => {} })).status
    },
  }
}

test('admission: unread responses to clients without a good token refuse no request', async () => {
  const { harness, begin } = await startUnread()
  const [head, claims] = (await harness.issuer.token(ann)).split('.')
  const [, , otherSignature] = (await harness.issuer.token(bob)).split('.')
  const forged = `Bearer ${head}.${claims}.${otherSignature}`
  for (let times = 0; times < 50; times += 1) {
    expect([await begin(), await begin('Bearer a.b.c'), await begin(forged)]).toEqual([
      401, 401, 401,
    ])
  }
  const statuses = await Promise.all(Array.from({ length: 16 }, () => begin(forged)))
  expect(new Set(statuses)).toEqual(new Set([401]))
  expect(await begin(`Bearer ${await harness.issuer.token(ann)}`)).toBe(201)
})

test('admission: unread responses of one user leave half of the permits', async () => {
  const { harness, begin } = await startUnread()
  const ofAnn = `Bearer ${await harness.issuer.token(ann)}`
  expect([await begin(ofAnn), await begin(ofAnn), await begin(ofAnn)]).toEqual([201, 201, 503])
  expect(await begin(`Bearer ${await harness.issuer.token(bob)}`)).toBe(201)
})
