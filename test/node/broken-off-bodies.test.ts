import { once } from 'node:events'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { ann, type Bench, startBench } from '../support/gateway.ts'

/** Sends half of a body, leaves, and gives what the gateway logged of it. */
async function leaveHalfway(bench: Bench, path: string, framing: Record<string, string>) {
  const asked = request(bench.gateway.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await bench.issuer.token(ann)}`,
      'content-type': 'application/json',
      expect: '100-continue',
      ...framing,
    },
  })
  asked.on('error', () => undefined)
  asked.flushHeaders()
  await once(asked, 'continue')
  asked.write('{"path', () => asked.destroy())
  const records = await bench.records()
  const before = records.length
  while (records.length === before) await new Promise((resolve) => setImmediate(resolve))
  return records.at(-1)
}

test.each([
  ['begin', '/v1/uploads'],
  ['renew', '/v1/uploads/some/renew'],
  ['complete', '/v1/uploads/some/complete'],
])('half a body of %s is no error of the gateway', async (_, path) => {
  const bench = await startBench({ environment: { MAX_IN_FLIGHT: '1' } })
  for (const framing of [{ 'content-length': '50' }, { 'transfer-encoding': 'chunked' }]) {
    const record = await leaveHalfway(bench, path, framing as Record<string, string>)
    expect(record).toMatchObject({ level: 'info', status: 400, code: 'invalid_request' })
  }
  expect(bench.smhCalls()).toEqual([])
  // Nor does it keep its place among the requests in flight.
  expect((await bench.request('GET', '/v1/uploads/some')).status).toBe(404)
})
