import { expect, test } from 'vitest'
import type { DemoUser } from '../../src/demo/demo-users.ts'
import { ann, bob, someBytes, startBench } from '../support/gateway.ts'
import { expectProblem } from '../support/problems.ts'

const PARTS = 10_000

/** A list of 10,000 parts of one byte, as SMH gives it. */
const longList = JSON.stringify({
  confirmed: false,
  path: ['users', 'ann', 'a.bin'],
  uploadId: 'some',
  parts: Array.from({ length: PARTS }, (_, index) => ({
    PartNumber: index + 1,
    LastModified: '2026-03-09T11:23:01.000Z',
    ETag: '"7202826a7791073fe2787f0c94603278"',
    Size: 1,
  })),
})

/** An upload of ann's with 10,000 parts, large enough to have them. */
async function startLong() {
  const bench = await startBench({
    environment: { RATE_LIMIT_PER_MINUTE: '0', UPLOAD_MAX_BYTES: String(PARTS * 1024 * 1024) },
  })
  const { confirmKey } = await bench.begin({ path: 'a.bin', size: PARTS * 1024 * 1024 })
  bench.emulator.controls.force('status', {
    times: Number.POSITIVE_INFINITY,
    status: 200,
    body: longList,
    contentType: 'application/json',
    match: ({ query }) => query.user_id === 'ann',
  })
  return { bench, at: `/v1/uploads/${confirmKey}` }
}

test('part lists: long ones use up the budget of their user, and time gives it back', async () => {
  const { bench, at } = await startLong()
  const ofBob = await bench.begin({ path: 'b.bin', size: 5 }, { as: bob })
  const status = (as: DemoUser, path = at) => bench.request('GET', path, { as })
  for (let times = 0; times < 20; times += 1) expect((await status(ann)).status).toBe(200)
  for (const [method, path] of [
    ['GET', at],
    ['POST', `${at}/complete`],
  ] as const) {
    // Time has given some back meanwhile, but not enough for all of them.
    let response = await bench.request(method, path)
    for (let times = 0; times < 20 && response.status !== 429; times += 1) {
      response = await bench.request(method, path)
    }
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    await expectProblem(response, 429, 'rate_limited')
  }
  expect((await status(bob, `/v1/uploads/${ofBob.confirmKey}`)).status).toBe(200)
  expect((await bench.request('POST', `${at}/renew`)).status).toBe(200)
  bench.advance(5_000)
  expect((await status(ann)).status).toBe(200)
}, 30_000)

test('part lists: many calls of one user at once are refused before SMH is asked', async () => {
  const { bench, at } = await startLong()
  bench.emulator.controls.clearCalls()
  const statuses = await Promise.all(
    Array.from({ length: 40 }, async () => (await bench.request('GET', at)).status),
  )
  const allowed = statuses.filter((status) => status === 200).length
  expect(allowed).toBe(bench.smhCalls('status').length)
  expect(allowed).toBeGreaterThanOrEqual(20)
  expect(allowed).toBeLessThan(40)
  expect(statuses.filter((status) => status === 429)).toHaveLength(40 - allowed)
}, 30_000)

test('part lists: short ones cost next to nothing', async () => {
  const bench = await startBench({ environment: { RATE_LIMIT_PER_MINUTE: '0' } })
  const { confirmKey } = await bench.uploadParts('a.bin', [someBytes(5)])
  for (let times = 0; times < 100; times += 1) {
    expect((await bench.request('GET', `/v1/uploads/${confirmKey}`)).status).toBe(200)
  }
}, 30_000)

test.each([
  ['getUpload', 'GET', ''],
  ['completeUpload', 'POST', '/complete'],
])(
  'part lists: %s cancels an upload with more parts than its size allows',
  async (_, method, action) => {
    const bench = await startBench()
    const credentials = await bench.uploadParts('a.bin', Array(101).fill(someBytes(1)))
    const at = `/v1/uploads/${credentials.confirmKey}`
    await expectProblem(await bench.request(method, at + action), 404, 'upload_not_found')
    expect(bench.emulator.controls.openTasks()).toEqual([])
    expect(await bench.records()).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        event: 'upload_cancelled',
        reason: 'too_many_parts',
      }),
    )
    await expectProblem(await bench.request('GET', at), 404, 'upload_not_found')
    await expectProblem(await bench.request('POST', `${at}/renew`), 404, 'upload_not_found')
  },
  30_000,
)

test('part lists: a short one is kept, and complete says what is wrong with it', async () => {
  const bench = await startBench()
  const credentials = await bench.uploadParts('a.bin', Array(100).fill(someBytes(1)))
  const at = `/v1/uploads/${credentials.confirmKey}`
  expect((await bench.request('GET', at)).status).toBe(200)
  const { missingParts } = await expectProblem(
    await bench.request('POST', `${at}/complete`),
    422,
    'upload_incomplete',
  )
  expect(missingParts).toHaveLength(99)
}, 30_000)
