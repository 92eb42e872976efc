import { createCRC64 } from 'hash-wasm'
import { describe, expect, test } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import {
  beyond,
  cosStatuses,
  partStatuses,
  pausedUpload,
  sentNumbers,
  storedBytes,
  uploadClient,
} from '../support/upload-client.ts'

const twoParts = new Blob([someBytes(2 * MiB)])

test('upload: the bytes arrive unchanged, in parallel parts', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  const content = someBytes(5 * MiB + 7)
  const crc = await createCRC64()
  const crc64 = BigInt(`0x${crc.update(content).digest('hex')}`).toString()
  const progress: number[] = []
  const keys: string[] = []
  const upload = client.upload(new Blob([content]), {
    path: 'holiday/clip.mp4',
    onProgress: ({ sentBytes, totalBytes }) => {
      expect(totalBytes).toBe(content.length)
      progress.push(sentBytes)
    },
    onConfirmKey: (key) => keys.push(key),
  })
  expect(await upload.done).toMatchObject({
    path: ['holiday', 'clip.mp4'],
    size: content.length,
    crc64,
  })
  expect(keys).toEqual([upload.confirmKey])
  expect(progress.at(0)).toBe(0)
  expect(progress.at(-1)).toBe(content.length)
  expect(sentNumbers(harness)).toEqual([1, 2, 3, 4, 5, 6])
  expect((await storedBytes(harness, 'holiday', 'clip.mp4')).equals(content)).toBe(true)
})

test('upload: fails without sending parts again when the stored file has another size', async () => {
  const harness = await startHarness()
  const tellsOtherSize: typeof fetch = async (input, init) => {
    const response = await fetch(input, init)
    if (!String(input).endsWith('/complete')) return response
    expect(response.status).toBe(200)
    const problem = {
      code: 'size_mismatch',
      requestId: 'a',
      detail: 'The stored file has 5 bytes.',
    }
    return Response.json(problem, {
      status: 422,
      headers: { 'Content-Type': 'application/problem+json' },
    })
  }
  const client = uploadClient(harness, { fetch: tellsOtherSize })
  const { done } = client.upload(new Blob(['a']), { path: 'one' })
  await expect(done).rejects.toMatchObject({ code: 'size_mismatch', status: 422 })
  expect(cosStatuses(harness)).toEqual([200])
})

test('upload: a one-byte file is stored', async () => {
  const harness = await startHarness()
  const { done } = uploadClient(harness).upload(new Blob(['a']), { path: 'one' })
  expect(await done).toMatchObject({ name: 'one', size: 1, crc64: '3675645893302102789' })
})

test('upload: at most four uploads begin at the same time', async () => {
  const harness = await startHarness()
  let now = 0
  let most = 0
  const counting: typeof fetch = async (...request) => {
    const isBegin = String(request[0]).endsWith('/uploads')
    if (isBegin) most = Math.max(most, ++now)
    try {
      return await fetch(...request)
    } finally {
      if (isBegin) now -= 1
    }
  }
  const client = uploadClient(harness, { fetch: counting })
  const uploads = Array.from({ length: 20 }, (_, index) =>
    client.upload(new Blob(['x']), { path: `${index}.txt` }),
  )
  const stored = await Promise.all(uploads.map(({ done }) => done))
  expect(stored).toHaveLength(20)
  expect(most).toBe(4)
})

test('upload: the details of the file arrive in SMH', async () => {
  const harness = await startHarness()
  const { done } = uploadClient(harness).upload(new Blob(['x']), {
    path: 'a.txt',
    strategy: 'ask',
    labels: ['holiday'],
    category: 'photo',
    trafficLimit: 204_800,
    localCreationTime: new Date(Date.UTC(2026, 2, 9)),
    localModificationTime: '2026-03-10T00:00:00Z',
    metadata: { origin: 'camera', place: 'Zürich' },
  })
  expect(await done).toMatchObject({
    metaData: { 'x-smh-meta-origin': 'camera', 'x-smh-meta-place': 'Z%C3%BCrich' },
  })
  const [begin] = harness.smhCalls('begin-simple')
  expect(begin?.query).toMatchObject({
    conflict_resolution_strategy: 'ask',
    traffic_limit: '204800',
  })
  expect(JSON.parse(begin?.body ?? '')).toMatchObject({
    labels: ['holiday'],
    category: 'photo',
    localCreationTime: '2026-03-09T00:00:00.000Z',
    localModificationTime: '2026-03-10T00:00:00Z',
  })
})

test('partsInParallel limits the parts of all uploads together', async () => {
  const harness = await startHarness()
  let now = 0
  let most = 0
  const counting: typeof fetch = async (...request) => {
    const isPart = String(request[0]).includes('partNumber')
    if (isPart) most = Math.max(most, ++now)
    try {
      return await fetch(...request)
    } finally {
      if (isPart) now -= 1
    }
  }
  const client = uploadClient(harness, { fetch: counting, partsInParallel: 3 })
  const uploads = [1, 2, 3].map((seed) =>
    client.upload(new Blob([someBytes(4 * MiB, seed)]), { path: `${seed}.bin` }),
  )
  await Promise.all(uploads.map(({ done }) => done))
  expect(most).toBe(3)
})

describe('credentials', () => {
  test('that expire are renewed once, and only rejected parts are sent again', async () => {
    const harness = await startHarness()
    const { done } = uploadClient(harness).upload(new Blob([someBytes(8 * MiB)]), {
      path: 'a.bin',
      onProgress: beyond(3 * MiB, () => harness.emulator.controls.expireCredentials()),
    })
    expect(await done).toMatchObject({ size: 8 * MiB })
    const statuses = partStatuses(harness)
    expect(statuses.filter((status) => status === 200)).toHaveLength(8)
    expect(statuses).toContain(403)
    expect(harness.smhCalls('renew')).toHaveLength(1)
  })

  test('are renewed before they expire, so that no part is rejected', async () => {
    const harness = await startHarness({ emulator: { credentialTtlSeconds: 600 } })
    const { done } = uploadClient(harness, { partsInParallel: 1 }).upload(
      new Blob([someBytes(4 * MiB)]),
      { path: 'a.bin', onProgress: beyond(MiB, () => harness.advance(595_000)) },
    )
    await done
    expect(partStatuses(harness)).toEqual([200, 200, 200, 200])
    expect(harness.smhCalls('renew')).toHaveLength(1)
  })

  test('are renewed in time on a device with a wrong clock', async () => {
    const harness = await startHarness()
    const clock = () => harness.clock() - 5 * 365 * 86_400_000
    await uploadClient(harness, { clock }).upload(new Blob([someBytes(3 * MiB)]), { path: 'a' })
      .done
    expect(harness.smhCalls('renew')).toEqual([])
  })

  test('that COS rejects again after a renewal fail the upload', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('put-part', {
      status: 403,
      code: 'AccessDenied',
      times: Infinity,
    })
    const client = uploadClient(harness, { partsInParallel: 1 })
    await expect(client.upload(twoParts, { path: 'a' }).done).rejects.toMatchObject({
      code: 'cos',
      cosCode: 'AccessDenied',
      status: 403,
      retryable: false,
    })
    expect(partStatuses(harness)).toEqual([403, 403])
    expect(harness.smhCalls('renew')).toHaveLength(1)
  })

  test('that COS rejects with ExpiredToken are renewed', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('put-part', { status: 400, code: 'ExpiredToken' })
    const client = uploadClient(harness, { partsInParallel: 1 })
    await client.upload(twoParts, { path: 'a' }).done
    expect(partStatuses(harness)).toEqual([400, 200, 200])
    expect(harness.smhCalls('renew')).toHaveLength(1)
  })

  test('keep their traffic limit', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('put-part', { status: 403, code: 'AccessDenied' })
    const options = { path: 'a', trafficLimit: 204_800 }
    await uploadClient(harness).upload(twoParts, options).done
    expect(harness.smhCalls('renew')[0]?.query.traffic_limit).toBe('204800')
  })
})

describe('part', () => {
  test.each([
    ['COS asks to slow down', { status: 503, code: 'SlowDown' }],
    ['COS rejects as incomplete', { status: 400, code: 'IncompleteBody' }],
    ['loses its response', { drop: 'after' as const }],
    ['is lost', { drop: 'before' as const }],
  ])('is sent again: %s', async (_what, fault) => {
    const harness = await startHarness()
    harness.emulator.controls.force('put-part', fault)
    const client = uploadClient(harness)
    await client.upload(new Blob([someBytes(3 * MiB)]), { path: 'a.bin' }).done
    expect(partStatuses(harness)).toHaveLength(4)
    expect(client.waits).toHaveLength(1)
  })

  test('waits for the Retry-After of COS', async () => {
    const harness = await startHarness()
    const headers = { 'Retry-After': '7' }
    harness.emulator.controls.force('put-object', { status: 503, code: 'SlowDown', headers })
    const client = uploadClient(harness, { retry: { firstDelayMs: 10 } })
    await client.upload(new Blob(['x']), { path: 'a' }).done
    expect(client.waits).toEqual([expect.closeTo(7005, -2)])
  })

  test('that never arrives fails the upload, which can be resumed', async () => {
    const harness = await startHarness()
    const match = (call: { query: Record<string, string> }) => call.query.partNumber === '2'
    harness.emulator.controls.force('put-part', { status: 500, times: Infinity, match })
    const arrived = () => {
      const [task] = harness.emulator.controls.openTasks()
      return task?.parts.map(({ number }) => number)
    }
    const wait = () => expect.poll(arrived, { timeout: 10_000 }).toEqual([1, 3])
    const client = uploadClient(harness, { wait, retry: { attempts: 3 }, partsInParallel: 3 })
    const { done } = client.upload(new Blob([someBytes(3 * MiB)]), { path: 'a.bin' })
    await expect(done).rejects.toMatchObject({ code: 'cos', status: 500, retryable: true })
    expect(arrived()).toEqual([1, 3])
  })

  test('that COS rejects permanently is not retried', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('put-part', { status: 451, code: 'UnavailableForLegalReasons' })
    const client = uploadClient(harness, { partsInParallel: 1 })
    const { done } = client.upload(twoParts, { path: 'a' })
    await expect(done).rejects.toMatchObject({ code: 'cos', status: 451, retryable: false })
    expect(partStatuses(harness)).toEqual([451])
  })

  test('that arrives with wrong bytes is sent again', async () => {
    const harness = await startHarness()
    let torn = false
    const tearing: typeof fetch = async (target, init) => {
      if (torn || !String(target).includes('partNumber=2')) return fetch(target, init)
      torn = true
      return fetch(target, { ...init, body: new Blob([someBytes(MiB, 9)]) })
    }
    const content = someBytes(3 * MiB)
    const client = uploadClient(harness, { fetch: tearing })
    await client.upload(new Blob([content]), { path: 'a.bin' }).done
    expect(sentNumbers(harness)).toEqual([1, 2, 2, 3])
    expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
  })
})

describe('completion', () => {
  test('is retried when its response is lost', async () => {
    const harness = await startHarness()
    let lost = 0
    const losing: typeof fetch = async (target, init) => {
      const response = await fetch(target, init)
      if (!String(target).endsWith('/complete') || lost++ > 1) return response
      throw new TypeError('fetch failed')
    }
    const client = uploadClient(harness, { fetch: losing })
    expect(await client.upload(new Blob(['x']), { path: 'a' }).done).toMatchObject({ name: 'a' })
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(client.waits).toHaveLength(2)
  })

  test('sends a missing part again', async () => {
    const harness = await startHarness()
    // COS reports a part that it has not stored.
    let swallowed = 0
    const swallowing: typeof fetch = async (target, init) =>
      String(target).includes('partNumber=2') && swallowed++ === 0
        ? new Response()
        : fetch(target, init)
    const content = someBytes(3 * MiB)
    const client = uploadClient(harness, { fetch: swallowing })
    await client.upload(new Blob([content]), { path: 'a.bin' }).done
    expect(sentNumbers(harness)).toEqual([1, 2, 3])
    expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
  })

  test('sends a missing last part again', async () => {
    const harness = await startHarness()
    let swallowed = 0
    const swallowing: typeof fetch = async (target, init) =>
      String(target).includes('partNumber=3') && swallowed++ === 0
        ? new Response()
        : fetch(target, init)
    const client = uploadClient(harness, { fetch: swallowing })
    await client.upload(new Blob([someBytes(3 * MiB)]), { path: 'a.bin' }).done
    expect(sentNumbers(harness)).toEqual([1, 2, 3])
  })

  test('fails when the same part is missing twice', async () => {
    const harness = await startHarness()
    const swallowing: typeof fetch = async (target, init) =>
      String(target).includes('partNumber=2') ? new Response() : fetch(target, init)
    const client = uploadClient(harness, { fetch: swallowing })
    const { done } = client.upload(new Blob([someBytes(3 * MiB)]), { path: 'a.bin' })
    await expect(done).rejects.toMatchObject({ code: 'upload_incomplete', missingParts: [2] })
  })

  test('fails when the checksum differs', async () => {
    const harness = await startHarness()
    const lying: typeof fetch = async (target, init) => {
      const response = await fetch(target, init)
      if (!String(target).endsWith('/complete')) return response
      return Response.json({ ...((await response.json()) as object), crc64: '1' })
    }
    const { done } = uploadClient(harness, { fetch: lying }).upload(new Blob(['x']), { path: 'a' })
    await expect(done).rejects.toMatchObject({ code: 'checksum_mismatch', status: undefined })
  })
})

test('upload: a second call with the same file and path returns the running upload', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  const file = new Blob([someBytes(2 * MiB)])
  const first = client.upload(file, { path: 'a.bin' })
  expect(client.upload(file, { path: 'a.bin' })).toBe(first)
  const other = client.upload(file, { path: 'b.bin' })
  expect(other).not.toBe(first)
  const [one] = await Promise.all([first.done, other.done])
  expect(one.name).toBe('a.bin')
  expect(harness.emulator.controls.files()).toHaveLength(2)
  expect(client.upload(file, { path: 'a.bin' })).not.toBe(first)
})

test('upload: resolves to the file if another client completes the upload', async () => {
  const harness = await startHarness()
  const content = someBytes(2 * MiB)
  const file = new Blob([content])
  const client = uploadClient(harness, { partsInParallel: 1 })
  const upload = await pausedUpload(client, file, { path: 'a.bin' })
  const elsewhere = uploadClient(harness).resume(upload.confirmKey!, file)
  await elsewhere.done
  upload.resume()
  expect(await upload.done).toMatchObject({ name: 'a.bin' })
  expect(harness.emulator.controls.files()).toHaveLength(1)
})

test('upload: an onProgress that throws ends the upload with its error and sends no part again', async () => {
  const harness = await startHarness()
  // Node's HTTP client reports progress within a part.
  const { done } = uploadClient(harness).upload(new Blob([someBytes(2 * MiB)]), {
    path: 'a.bin',
    onProgress({ sentBytes }) {
      if (sentBytes > 0) throw new RangeError('No such element.')
    },
  })
  await expect(done).rejects.toThrow(new RangeError('No such element.'))
  expect(new Set(sentNumbers(harness)).size).toBe(sentNumbers(harness).length)
})
