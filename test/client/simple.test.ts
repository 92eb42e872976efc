import { expect, test } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import {
  begins,
  cosStatuses,
  pausedUpload,
  storedBytes,
  uploadClient,
} from '../support/upload-client.ts'

test.each([
  ['empty', 0],
  ['of one byte', 1],
  ['of 1 MiB', MiB],
])('simple upload: a file %s goes to COS in one request', async (_what, size) => {
  const harness = await startHarness()
  const content = someBytes(size)
  const progress: number[] = []
  const upload = uploadClient(harness).upload(new Blob([content]), {
    path: 'folder/a.bin',
    instant: false,
    onProgress: ({ sentBytes }) => progress.push(sentBytes),
  })
  const stored = await upload.done
  expect(stored).toMatchObject({ path: ['folder', 'a.bin'], size })
  if (size === 0) expect(stored.crc64).toBe('0')
  expect(progress.at(-1)).toBe(size)
  expect(begins(harness)).toEqual(['begin-simple'])
  expect(cosStatuses(harness)).toEqual([200])
  expect((await storedBytes(harness, 'folder', 'a.bin')).equals(content)).toBe(true)
})

test('simple upload: a file of more than 1 MiB has parts', async () => {
  const harness = await startHarness()
  const options = { path: 'a', instant: false }
  await uploadClient(harness).upload(new Blob([someBytes(MiB + 1)]), options).done
  expect(begins(harness)).toEqual(['begin-multipart'])
})

test('simple upload: a lost request is sent again', async () => {
  const harness = await startHarness()
  harness.emulator.controls.force('put-object', { drop: 'after' })
  const client = uploadClient(harness)
  expect(await client.upload(new Blob(['x']), { path: 'a' }).done).toMatchObject({ size: 1 })
  expect(client.waits).toHaveLength(1)
  expect(begins(harness)).toEqual(['begin-simple'])
})

test('simple upload: a smaller limit of the gateway is asked for once', async () => {
  const harness = await startHarness({ environment: { UPLOAD_SIMPLE_MAX_BYTES: '100' } })
  const requested: unknown[] = []
  const noting: typeof fetch = (target, init) => {
    if (String(target).endsWith('/uploads')) requested.push(JSON.parse(String(init?.body)).method)
    return fetch(target, init)
  }
  const client = uploadClient(harness, { fetch: noting })
  for (const [index, size] of [1000, 500, 101, 100].entries()) {
    await client.upload(new Blob([someBytes(size)]), { path: `${index}` }).done
  }
  expect(requested).toEqual(['simple', undefined, undefined, undefined, 'simple'])
  expect(harness.emulator.controls.files()).toHaveLength(4)
})

test('simple upload: a file that is too large in both ways fails', async () => {
  const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: '10' } })
  const client = uploadClient(harness)
  const { done } = client.upload(new Blob(['eleven bytes']), { path: 'a' })
  await expect(done).rejects.toMatchObject({ code: 'file_too_large', status: 413 })
  await client.upload(new Blob(['ten bytes.']), { path: 'b' }).done
  expect(begins(harness)).toEqual(['begin-simple'])
})

test('simple upload: when the credentials expire it begins again with another confirm key', async () => {
  const harness = await startHarness()
  const keys: string[] = []
  const idempotencyKeys = new Set<string | null>()
  const noting: typeof fetch = (target, init) => {
    const key = new Headers(init?.headers).get('Idempotency-Key')
    if (key) idempotencyKeys.add(key)
    return fetch(target, init)
  }
  const upload = uploadClient(harness, { fetch: noting }).upload(new Blob(['x']), {
    path: 'a',
    metadata: { origin: 'camera' },
    onConfirmKey(key) {
      keys.push(key)
      if (keys.length === 1) harness.emulator.controls.expireCredentials()
    },
  })
  expect(await upload.done).toMatchObject({
    path: ['a'],
    metaData: { 'x-smh-meta-origin': 'camera' },
  })
  expect(cosStatuses(harness)).toEqual([403, 200])
  expect(keys).toHaveLength(2)
  expect(upload.confirmKey).toBe(keys[1])
  expect(keys[0]).not.toBe(keys[1])
  expect(idempotencyKeys.size).toBe(2)
  expect(harness.smhCalls('cancel')).toHaveLength(1)
  expect(harness.emulator.controls.openTasks()).toEqual([])
})

test('simple upload: an abort while it begins again removes both uploads', async () => {
  const harness = await startHarness()
  const aborts: Promise<void>[] = []
  const keys: string[] = []
  const aborting: typeof fetch = async (target, init) => {
    const response = await fetch(target, init)
    if (keys.length === 1 && String(target).endsWith('/uploads')) aborts.push(upload.abort())
    return response
  }
  const client = uploadClient(harness, { fetch: aborting })
  const upload = client.upload(new Blob(['x']), {
    path: 'a',
    onConfirmKey(key) {
      keys.push(key)
      harness.emulator.controls.expireCredentials()
    },
  })
  await expect(upload.done).rejects.toMatchObject({ code: 'aborted' })
  await Promise.all(aborts)
  expect(aborts).toHaveLength(1)
  expect(keys).toHaveLength(1)
  expect(await client.list()).toEqual([])
  expect(harness.emulator.controls.openTasks()).toEqual([])
})

test('simple upload: resume begins again with the same path', async () => {
  const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '1' } })
  const file = new Blob(['x'])
  const client = uploadClient(harness)
  const first = await pausedUpload(client, file, { path: 'folder/a.txt' })
  const keys: string[] = []
  const resumed = uploadClient(harness).resume(first.confirmKey ?? '', file, {
    onConfirmKey: (key) => keys.push(key),
  })
  expect(await resumed.done).toMatchObject({ path: ['folder', 'a.txt'] })
  expect(keys).toEqual([resumed.confirmKey])
  expect(resumed.confirmKey).not.toBe(first.confirmKey)
  expect(await client.list()).toEqual([])
  expect(harness.emulator.controls.openTasks()).toEqual([])
})

test('simple upload: resume of a completed upload resolves to its file', async () => {
  const harness = await startHarness()
  const file = new Blob(['x'])
  const client = uploadClient(harness)
  const first = client.upload(file, { path: 'a' })
  await first.done
  expect(await client.resume(first.confirmKey ?? '', file).done).toMatchObject({ path: ['a'] })
  expect(harness.emulator.controls.files()).toHaveLength(1)
})

test('simple upload: an upload that another device completes resolves to its file', async () => {
  const harness = await startHarness()
  const file = new Blob(['x'])
  const begun = await harness.begin({ path: 'a', size: 1, method: 'simple' })
  const put = () =>
    fetch(`http://${begun.domain}${begun.path}`, {
      method: 'PUT',
      headers: begun.headers,
      body: file,
    })
  // The other device completes the upload before this client aborts it to begin again.
  const overtaken: typeof fetch = async (target, init) => {
    if (init?.method === 'DELETE') {
      expect((await put()).status).toBe(200)
      expect((await harness.complete(begun)).status).toBe(200)
    }
    return fetch(target, init)
  }
  const resumed = uploadClient(harness, { fetch: overtaken }).resume(begun.confirmKey, file)
  expect(await resumed.done).toMatchObject({ path: ['a'] })
  expect(harness.emulator.controls.files()).toHaveLength(1)
})

test('simple upload: an upload that another device has resumed is not stored twice', async () => {
  const harness = await startHarness()
  const file = new Blob(['x'])
  const first = await pausedUpload(uploadClient(harness), file, { path: 'a' })
  await uploadClient(harness).resume(first.confirmKey ?? '', file).done
  first.resume()
  await expect(first.done).rejects.toMatchObject({ code: 'upload_not_found' })
  expect(harness.emulator.controls.files()).toHaveLength(1)
  expect(harness.emulator.controls.openTasks()).toEqual([])
})

test('simple upload: two devices that resume one upload at the same time store it once', async () => {
  const harness = await startHarness()
  const file = new Blob(['x'])
  const { confirmKey = '' } = await pausedUpload(uploadClient(harness), file, { path: 'a' })
  const devices = [uploadClient(harness), uploadClient(harness), uploadClient(harness)]
  const all = await Promise.allSettled(
    devices.map((device) => device.resume(confirmKey, file).done),
  )
  expect(all.some(({ status }) => status === 'fulfilled')).toBe(true)
  expect(harness.emulator.controls.files()).toHaveLength(1)
  expect(harness.emulator.controls.openTasks()).toEqual([])
})

test('simple upload: an upload that another device has aborted does not begin again', async () => {
  const harness = await startHarness()
  const first = await pausedUpload(uploadClient(harness), new Blob(['x']), { path: 'a' })
  await uploadClient(harness).abort(first.confirmKey ?? '')
  first.resume()
  await expect(first.done).rejects.toMatchObject({ code: 'upload_not_found' })
  expect(harness.emulator.controls.files()).toEqual([])
})

test('list: the open uploads, newest first', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  await harness.begin({ path: 'x/a.bin', size: 5 * MiB })
  harness.advance(1000)
  const second = await pausedUpload(client, new Blob(['b']), { path: 'b' })
  const open = await client.list()
  expect(open).toMatchObject([
    { path: ['b'], size: 1, method: 'simple', confirmKey: second.confirmKey },
    { path: ['x', 'a.bin'], size: 5 * MiB, method: 'multipart' },
  ])
  expect(Date.parse(open[0]!.endsAt)).toBeGreaterThan(Date.parse(open[0]!.beganAt))
})
