import { expect, test } from 'vitest'
import type { DemoUser } from '../../src/demo/demo-users.ts'
import { ann, bob, someBytes, startHarness } from '../support/harness.ts'
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
  const harness = await startHarness({
    environment: { RATE_LIMIT_PER_MINUTE: '0', UPLOAD_MAX_BYTES: String(PARTS * 1024 * 1024) },
  })
  const { confirmKey } = await harness.begin({ path: 'a.bin', size: PARTS * 1024 * 1024 })
  harness.emulator.controls.force('status', {
    times: Number.POSITIVE_INFINITY,
    status: 200,
    body: longList,
    contentType: 'application/json',
    match: ({ query }) => query.user_id === 'ann',
  })
  return { harness, at: `/v1/uploads/${confirmKey}` }
}

test("part lists: long lists use up the user's budget, which refills over time", async () => {
  const { harness, at } = await startLong()
  const ofBob = await harness.begin({ path: 'b.bin', size: 5 }, { as: bob })
  const status = (as: DemoUser, path = at) => harness.request('GET', path, { as })
  for (let times = 0; times < 20; times += 1) expect((await status(ann)).status).toBe(200)
  for (const [method, path] of [
    ['GET', at],
    ['POST', `${at}/complete`],
  ] as const) {
    // Time has given some back meanwhile, but not enough for all of them.
    let response = await harness.request(method, path)
    for (let times = 0; times < 20 && response.status !== 429; times += 1) {
      response = await harness.request(method, path)
    }
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    await expectProblem(response, 429, 'rate_limited')
  }
  expect((await status(bob, `/v1/uploads/${ofBob.confirmKey}`)).status).toBe(200)
  expect((await harness.request('POST', `${at}/renew`)).status).toBe(200)
  harness.advance(5_000)
  expect((await status(ann)).status).toBe(200)
}, 30_000)

test('part lists: too many calls of one user at once are refused before SMH is called', async () => {
  const { harness, at } = await startLong()
  harness.emulator.controls.clearCalls()
  const statuses = await Promise.all(
    Array.from({ length: 40 }, async () => (await harness.request('GET', at)).status),
  )
  const allowed = statuses.filter((status) => status === 200).length
  expect(allowed).toBe(harness.smhCalls('status').length)
  expect(allowed).toBeGreaterThanOrEqual(20)
  expect(allowed).toBeLessThan(40)
  expect(statuses.filter((status) => status === 429)).toHaveLength(40 - allowed)
}, 30_000)

test('part lists: short lists use little of the budget', async () => {
  const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '0' } })
  const { confirmKey } = await harness.uploadParts('a.bin', [someBytes(5)])
  for (let times = 0; times < 100; times += 1) {
    expect((await harness.request('GET', `/v1/uploads/${confirmKey}`)).status).toBe(200)
  }
}, 30_000)

test.each([
  ['getUpload', 'GET', ''],
  ['completeUpload', 'POST', '/complete'],
])(
  'part lists: %s cancels an upload with more parts than its size allows',
  async (_, method, action) => {
    const harness = await startHarness()
    const credentials = await harness.uploadParts('a.bin', Array(101).fill(someBytes(1)))
    const at = `/v1/uploads/${credentials.confirmKey}`
    await expectProblem(await harness.request(method, at + action), 404, 'upload_not_found')
    expect(harness.emulator.controls.openTasks()).toEqual([])
    expect(await harness.records()).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        event: 'upload_cancelled',
        reason: 'too_many_parts',
      }),
    )
    await expectProblem(await harness.request('GET', at), 404, 'upload_not_found')
    await expectProblem(await harness.request('POST', `${at}/renew`), 404, 'upload_not_found')
  },
  30_000,
)

test('part lists: complete reports the errors of a short list, and keeps the upload', async () => {
  const harness = await startHarness()
  const credentials = await harness.uploadParts('a.bin', Array(100).fill(someBytes(1)))
  const at = `/v1/uploads/${credentials.confirmKey}`
  expect((await harness.request('GET', at)).status).toBe(200)
  const { missingParts } = await expectProblem(
    await harness.request('POST', `${at}/complete`),
    422,
    'upload_incomplete',
  )
  expect(missingParts).toHaveLength(99)
}, 30_000)
