import { expect, test } from 'vitest'
import { MiB, someBytes, startBench } from '../support/gateway.ts'
import { pausedUpload, uploadClient } from '../support/upload-client.ts'

const file = new Blob([someBytes(2 * MiB)])

/** An upload that has begun, and whose user has used up all calls of a minute. */
async function startLimited() {
  const bench = await startBench({ environment: { RATE_LIMIT_PER_MINUTE: '1' } })
  const waits: number[] = []
  const client = uploadClient(bench, {
    retry: { firstDelayMs: 1 },
    wait: async (ms) => {
      waits.push(ms)
      bench.advance(ms)
    },
  })
  const upload = await pausedUpload(client, file, { path: 'a.bin', instant: false })
  const { confirmKey = '' } = upload
  const statusOf = async () => (await bench.request('GET', `/v1/uploads/${confirmKey}`)).status
  while ((await statusOf()) === 200);
  return { bench, client, upload, confirmKey, waits }
}

/** Operations that the gateway refused for being too many, in order. */
async function refused({ records }: Awaited<ReturnType<typeof startBench>>) {
  const lines = (await records()).filter(({ status }) => status === 429)
  return [...new Set(lines.map(({ operation }) => operation))]
}

test('client: complete waits for the rate limit', async () => {
  const { bench, upload, waits } = await startLimited()
  upload.resume()
  expect(await upload.done).toMatchObject({ name: 'a.bin' })
  expect(await refused(bench)).toContain('completeUpload')
  expect(waits).toContainEqual(expect.closeTo(6000, -2))
})

test('client: renew waits for the rate limit', async () => {
  const { bench, upload } = await startLimited()
  bench.emulator.controls.expireCredentials()
  upload.resume()
  expect(await upload.done).toMatchObject({ name: 'a.bin' })
  expect(await refused(bench)).toContain('renewUpload')
})

test('client: status waits for the rate limit', async () => {
  const { bench, client, confirmKey, waits } = await startLimited()
  expect(await client.status(confirmKey)).toMatchObject({ confirmed: false })
  expect(waits).toEqual([expect.closeTo(6000, -2)])
  expect(await refused(bench)).toContain('getUpload')
})

test('client: abort waits for the rate limit', async () => {
  const { bench, upload, waits } = await startLimited()
  await upload.abort()
  expect(waits).toEqual([expect.closeTo(6000, -2)])
  expect(await refused(bench)).toContain('abortUpload')
  expect(bench.emulator.controls.openTasks()).toEqual([])
})
