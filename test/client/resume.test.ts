import { expect, test } from 'vitest'
import { createUploadClient } from '../../src/client/index.ts'
import {
  ann,
  bob,
  type Credentials,
  type Harness,
  MiB,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import {
  beyond,
  partStatuses,
  pausedUpload,
  sentNumbers,
  storedBytes,
  uploadClient,
} from '../support/upload-client.ts'

const content = someBytes(5 * MiB + 5)
const file = new Blob([content])
const wanted = { path: 'a.bin', size: content.length }

/** Sends some parts, as an earlier client with another part size. */
async function sendBefore(
  harness: Harness,
  begun: Credentials,
  partSize: number,
  numbers: number[],
) {
  for (const number of numbers) {
    const part = content.slice((number - 1) * partSize, number * partSize)
    expect((await harness.putPart(begun, number, part)).status).toBe(200)
  }
}

test('resume: parts that have arrived are not sent again', async () => {
  const harness = await startHarness()
  const begun = await harness.begin(wanted)
  await sendBefore(harness, begun, MiB, [1, 2, 4])
  // Later, on another device.
  harness.advance(24 * 60 * 60_000)
  const progress: number[] = []
  let received: number[] | undefined
  const counting: typeof fetch = (target, init) => {
    const [task] = harness.emulator.controls.openTasks()
    if (String(target).endsWith('/complete')) received = task?.parts.map((p) => p.receivedTimes)
    return fetch(target, init)
  }
  const upload = uploadClient(harness, { fetch: counting }).resume(begun.confirmKey, file, {
    onProgress: ({ sentBytes }) => progress.push(sentBytes),
  })
  expect(upload.confirmKey).toBe(begun.confirmKey)
  expect(await upload.done).toMatchObject({ name: 'a.bin', size: content.length })
  expect(received).toEqual([1, 1, 1, 1, 1, 1])
  expect(sentNumbers(harness)).toEqual([1, 2, 3, 4, 5, 6])
  expect(partStatuses(harness)).toEqual([200, 200, 200, 200, 200, 200])
  expect(progress[0]).toBe(3 * MiB)
  expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
})

test.each([
  ['4 MiB', 4 * MiB],
  ['50 MB', 50_000_000],
])(
  'a reload at half of %s sends less than half of the sent bytes again',
  {
    timeout: 60_000,
  },
  async (_size, bytes) => {
    const harness = await startHarness()
    const big = someBytes(bytes)
    const source = new Blob([big])
    // Without a part size, as most apps create it.
    const client = createUploadClient({
      gateway: harness.gateway.url,
      getToken: () => harness.issuer.token(ann),
      cosScheme: 'http',
    })
    const half = Promise.withResolvers<void>()
    const before = client.upload(source, {
      path: 'a.bin',
      onProgress: beyond(bytes / 2, () => {
        // Leaving the page ends the parts in progress.
        before.pause()
        half.resolve()
      }),
    })
    await half.promise
    const [task] = harness.emulator.controls.openTasks()
    const arrived = task?.parts.map(({ number }) => number) ?? []
    harness.emulator.controls.clearCalls()
    const progress: number[] = []
    // A new file object, as after a reload.
    const after = client.resume(before.confirmKey!, new Blob([big]), {
      onProgress: ({ sentBytes }) => progress.push(sentBytes),
    })
    await after.done
    expect(progress[0]).toBeGreaterThan(bytes / 4)
    expect(sentNumbers(harness).filter((number) => arrived.includes(number))).toEqual([])
    expect((await storedBytes(harness, 'a.bin')).equals(big)).toBe(true)
  },
)

test('resume: the size of the parts that have arrived is kept', async () => {
  const harness = await startHarness()
  const begun = await harness.begin(wanted)
  await sendBefore(harness, begun, 2 * MiB, [2])
  await uploadClient(harness).resume(begun.confirmKey, file).done
  expect(sentNumbers(harness)).toEqual([1, 2, 3])
  expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
})

test('resume: a part that has arrived with a wrong size is sent again', async () => {
  const harness = await startHarness()
  const begun = await harness.begin(wanted)
  await sendBefore(harness, begun, MiB, [1, 2])
  await harness.putPart(begun, 3, someBytes(17))
  await uploadClient(harness).resume(begun.confirmKey, file).done
  expect(sentNumbers(harness)).toEqual([1, 2, 3, 3, 4, 5, 6])
  expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
})

test('resume: parts that have arrived with wrong bytes are sent again', async () => {
  const harness = await startHarness()
  const begun = await harness.begin(wanted)
  await sendBefore(harness, begun, MiB, [1])
  await harness.putPart(begun, 2, someBytes(MiB, 99))
  await uploadClient(harness).resume(begun.confirmKey, file).done
  expect(sentNumbers(harness)).toEqual([1, 1, 2, 2, 3, 4, 5, 6])
  expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
})

test('resume: a single part whose size was guessed wrong is sent again', async () => {
  const harness = await startHarness()
  const even = content.slice(0, 5 * MiB)
  const begun = await harness.begin({ path: 'a.bin', size: even.length })
  // The third and last part of 2 MiB could also be the third of five.
  expect((await harness.putPart(begun, 3, even.slice(4 * MiB))).status).toBe(200)
  await uploadClient(harness).resume(begun.confirmKey, new Blob([even])).done
  expect(sentNumbers(harness)).toEqual([1, 2, 3, 3, 4, 5])
  expect((await storedBytes(harness, 'a.bin')).equals(even)).toBe(true)
})

test('resume: an upload with all parts is only completed', async () => {
  const harness = await startHarness()
  const begun = await harness.begin(wanted)
  await sendBefore(harness, begun, MiB, [1, 2, 3, 4, 5, 6])
  const details = { labels: ['holiday'], localModificationTime: new Date(0) }
  await uploadClient(harness).resume(begun.confirmKey, file, details).done
  expect(partStatuses(harness)).toHaveLength(6)
  const [confirm] = harness.smhCalls('confirm')
  expect(JSON.parse(confirm?.body ?? '')).toMatchObject({
    labels: ['holiday'],
    localModificationTime: '1970-01-01T00:00:00.000Z',
  })
})

test('resume: a completed upload resolves to its file', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  const first = client.upload(file, { path: 'a.bin' })
  const stored = await first.done
  const progress: number[] = []
  const again = client.resume(first.confirmKey!, file, {
    onProgress: ({ sentBytes }) => progress.push(sentBytes),
  })
  expect(await again.done).toMatchObject({ path: stored.path, crc64: stored.crc64 })
  expect(sentNumbers(harness)).toHaveLength(6)
  expect(progress).toEqual([content.length])
})

test('resume: a completed upload fails if its file has been replaced since', async () => {
  const harness = await startHarness({ environment: { UPLOAD_CONFLICT_STRATEGIES: 'overwrite' } })
  const client = uploadClient(harness)
  const options = { path: 'a.bin', strategy: 'overwrite' } as const
  const first = client.upload(file, options)
  await first.done
  await client.upload(new Blob([someBytes(content.length, 2)]), options).done
  await expect(client.resume(first.confirmKey!, file).done).rejects.toMatchObject({
    code: 'checksum_mismatch',
  })
})

test('resume: an upload that another device completes resolves to its file', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  const first = await pausedUpload(client, file, { path: 'a.bin' })
  const overtaken: typeof fetch = async (target, init) => {
    if (String(target).endsWith('/renew')) {
      first.resume()
      await first.done
    }
    return fetch(target, init)
  }
  const second = uploadClient(harness, { fetch: overtaken }).resume(first.confirmKey!, file)
  expect(await second.done).toMatchObject({ path: ['a.bin'], size: content.length })
  expect(harness.emulator.controls.files()).toHaveLength(1)
})

test('resume: returns the running upload with the same confirm key', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  const begun = await pausedUpload(client, file, { path: 'a.bin' })
  expect(client.resume(begun.confirmKey!, file)).toBe(begun)
  begun.resume()
  await begun.done
  const resumed = client.resume(begun.confirmKey!, file)
  expect(client.resume(begun.confirmKey!, file)).toBe(resumed)
  await resumed.done
})

test("resume: another user's confirm key fails with upload_not_found", async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin(wanted)
  const client = uploadClient(harness, { getToken: () => harness.issuer.token(bob) })
  await expect(client.resume(confirmKey, file).done).rejects.toMatchObject({
    code: 'upload_not_found',
    status: 404,
  })
})

test('resume: a file of another size fails with source_changed', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin(wanted)
  const { done } = uploadClient(harness).resume(confirmKey, new Blob(['other']))
  await expect(done).rejects.toMatchObject({ code: 'source_changed' })
})
