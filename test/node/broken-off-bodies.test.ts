import { once } from 'node:events'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { ann, type Harness, startHarness } from '../support/harness.ts'

/** Sends half of a body, leaves, and gives what the gateway logged of it. */
async function leaveHalfway(harness: Harness, path: string, framing: Record<string, string>) {
  const asked = request(harness.gateway.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await harness.issuer.token(ann)}`,
      'content-type': 'application/json',
      expect: '100-continue',
      ...framing,
    },
  })
  asked.on('error', () => undefined)
  asked.flushHeaders()
  await once(asked, 'continue')
  asked.write('{"path', () => asked.destroy())
  const records = await harness.records()
  const before = records.length
  while (records.length === before) await new Promise((resolve) => setImmediate(resolve))
  return records.at(-1)
}

test.each([
  ['begin', '/v1/uploads'],
  ['renew', '/v1/uploads/some/renew'],
  ['complete', '/v1/uploads/some/complete'],
])('aborted body: half a body of %s is not logged as an error', async (_, path) => {
  const harness = await startHarness({ environment: { MAX_IN_FLIGHT: '1' } })
  for (const framing of [{ 'content-length': '50' }, { 'transfer-encoding': 'chunked' }]) {
    const record = await leaveHalfway(harness, path, framing as Record<string, string>)
    expect(record).toMatchObject({ level: 'info', status: 400, code: 'invalid_request' })
  }
  expect(harness.smhCalls()).toEqual([])
  // Nor does it keep its place among the requests in flight.
  expect((await harness.request('GET', '/v1/uploads/some')).status).toBe(404)
})
