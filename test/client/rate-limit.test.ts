import { expect, test } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { pausedUpload, uploadClient } from '../support/upload-client.ts'

const file = new Blob([someBytes(2 * MiB)])

/** Starts an upload whose user has used all calls of a minute. */
async function startLimited() {
  const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '1' } })
  const waits: number[] = []
  const client = uploadClient(harness, {
    retry: { firstDelayMs: 1 },
    wait: async (ms) => {
      waits.push(ms)
      harness.advance(ms)
    },
  })
  const upload = await pausedUpload(client, file, { path: 'a.bin', instant: false })
  const { confirmKey = '' } = upload
  const statusOf = async () => (await harness.request('GET', `/v1/uploads/${confirmKey}`)).status
  while ((await statusOf()) === 200);
  return { harness, client, upload, confirmKey, waits }
}

/** The operations that the gateway has rejected with 429, in order. */
async function refused({ records }: Awaited<ReturnType<typeof startHarness>>) {
  const lines = (await records()).filter(({ status }) => status === 429)
  return [...new Set(lines.map(({ operation }) => operation))]
}

test('client: complete waits for the rate limit', async () => {
  const { harness, upload, waits } = await startLimited()
  upload.resume()
  expect(await upload.done).toMatchObject({ name: 'a.bin' })
  expect(await refused(harness)).toContain('completeUpload')
  expect(waits).toContainEqual(expect.closeTo(6000, -2))
})

test('client: renew waits for the rate limit', async () => {
  const { harness, upload } = await startLimited()
  harness.emulator.controls.expireCredentials()
  upload.resume()
  expect(await upload.done).toMatchObject({ name: 'a.bin' })
  expect(await refused(harness)).toContain('renewUpload')
})

test('client: status waits for the rate limit', async () => {
  const { harness, client, confirmKey, waits } = await startLimited()
  expect(await client.status(confirmKey)).toMatchObject({ confirmed: false })
  expect(waits).toEqual([expect.closeTo(6000, -2)])
  expect(await refused(harness)).toContain('getUpload')
})

test('client: abort waits for the rate limit', async () => {
  const { harness, upload, waits } = await startLimited()
  await upload.abort()
  expect(waits).toEqual([expect.closeTo(6000, -2)])
  expect(await refused(harness)).toContain('abortUpload')
  expect(harness.emulator.controls.openTasks()).toEqual([])
})

test('client: many small files wait for the rate limit together, and no begin is rejected', async () => {
  const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '20' } })
  const client = uploadClient(harness, {
    wait: async (ms) => {
      const until = harness.clock() + ms
      // Waits that start together end together.
      await null
      harness.advance(Math.max(0, until - harness.clock()))
    },
  })
  const uploads = Array.from({ length: 60 }, (_, index) =>
    client.upload(new Blob(['x']), { path: `${index}.txt` }),
  )
  expect(await Promise.all(uploads.map(({ done }) => done))).toHaveLength(60)
  expect(await refused(harness)).toEqual([])
})
