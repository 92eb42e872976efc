import { expect, test } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { sentNumbers, uploadClient } from '../support/upload-client.ts'

const content = someBytes(3 * MiB + 1)
const bodies = (harness: Awaited<ReturnType<typeof startHarness>>) =>
  harness
    .smhCalls('begin-multipart')
    .map(({ body }) => Object.keys(JSON.parse(body ?? '{}')).sort())

test('instant upload: a file that SMH has is stored without sending parts', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  await client.upload(new Blob([content]), { path: 'a.bin' }).done
  harness.emulator.controls.clearCalls()
  const progress: number[] = []
  const copy = client.upload(new Blob([content]), {
    path: 'b.bin',
    onProgress: ({ sentBytes }) => progress.push(sentBytes),
  })
  expect(await copy.done).toMatchObject({ path: ['b.bin'], size: content.length })
  expect(sentNumbers(harness)).toEqual([])
  expect(bodies(harness)).toEqual([
    ['beginningHash', 'size'],
    ['beginningHash', 'fullHash', 'size'],
  ])
  expect(copy.confirmKey).toBeUndefined()
  expect(progress).toEqual([content.length])
})

test('instant upload: a file with only the same beginning is sent', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  await client.upload(new Blob([content]), { path: 'a.bin' }).done
  harness.emulator.controls.clearCalls()
  const other = content.slice()
  other[2 * MiB] = other[2 * MiB]! ^ 1
  expect(await client.upload(new Blob([other]), { path: 'b.bin' }).done).toMatchObject({
    name: 'b.bin',
  })
  expect(sentNumbers(harness)).toEqual([1, 2, 3, 4])
})

test.each([
  ['that is small', new Blob([content.slice(0, MiB - 1)]), {}],
  ['whose owner does not want it', new Blob([content]), { instant: false }],
])('instant upload: the client sends no hash of a file %s', async (_what, file, options) => {
  const harness = await startHarness()
  await uploadClient(harness).upload(file, { path: 'a.bin', ...options }).done
  expect(bodies(harness).flat()).toEqual([])
})

test('instant upload: after the gateway has refused it, later uploads skip it', async () => {
  const harness = await startHarness({ environment: { UPLOAD_INSTANT: 'false' } })
  const asked: string[] = []
  const noting: typeof fetch = (target, init) => {
    if (init?.method === 'POST') asked.push(new URL(String(target)).pathname)
    return fetch(target, init)
  }
  const client = uploadClient(harness, { fetch: noting })
  await client.upload(new Blob([content]), { path: 'a.bin' }).done
  await client.upload(new Blob([content]), { path: 'b.bin' }).done
  const begins = asked.filter((path) => path.endsWith('uploads'))
  expect(begins).toEqual(['/v1/instant-uploads', '/v1/uploads', '/v1/uploads'])
})

test('instant upload: another not_permitted error fails the upload', async () => {
  const harness = await startHarness({ environment: { UPLOAD_ALLOWED_EXTENSIONS: 'txt' } })
  const { done } = uploadClient(harness).upload(new Blob([content]), { path: 'a.bin' })
  await expect(done).rejects.toMatchObject({ code: 'not_permitted', status: 403 })
})

test('instant upload: a repeated full_hash_required sends the file', async () => {
  const harness = await startHarness()
  const undecided: typeof fetch = async (target, init) =>
    String(init?.body).includes('Hash')
      ? Response.json({ outcome: 'full_hash_required' })
      : fetch(target, init)
  const client = uploadClient(harness, { fetch: undecided })
  await client.upload(new Blob([content]), { path: 'a.bin' }).done
  expect(sentNumbers(harness)).toEqual([1, 2, 3, 4])
})

test.each([
  ['of another kind', { outcome: 'queued' }],
  ['without its file', { outcome: 'stored' }],
  ['without its credentials', { outcome: 'upload_required' }],
])('instant upload: an outcome %s fails with bad_answer', async (_, answer) => {
  const harness = await startHarness()
  const strange: typeof fetch = async () => Response.json(answer)
  const { done } = uploadClient(harness, { fetch: strange }).upload(new Blob([content]), {
    path: 'a.bin',
  })
  await expect(done).rejects.toMatchObject({ code: 'bad_answer', status: 200 })
})

test('instant upload: an abort prevents hashing of the file', async () => {
  const harness = await startHarness()
  await uploadClient(harness).upload(new Blob([content]), { path: 'a.bin' }).done
  let hashing = 0
  const it = uploadClient(harness, {
    fetch: async (...request) => {
      const response = await fetch(...request)
      const { outcome } = await response.clone().json()
      if (outcome === 'full_hash_required') void it.abort()
      return response
    },
    // A worker that never finishes, as with a very large file.
    hashWorker: () => {
      hashing += 1
      return { postMessage() {}, terminate() {}, addEventListener() {} }
    },
  }).upload(new Blob([content]), { path: 'b.bin' })
  await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
  await it.abort()
  expect(hashing).toBe(0)
})

test('instant upload: a 503 of a proxy is not retried with the full hash', async () => {
  const harness = await startHarness()
  await uploadClient(harness).upload(new Blob([content]), { path: 'a.bin' }).done
  const behindProxy: typeof fetch = async (target, init) => {
    const response = await fetch(target, init)
    const busy = new Response('busy', { status: 503, headers: { 'Retry-After': '1' } })
    return String(init?.body).includes('fullHash') ? busy : response
  }
  const client = uploadClient(harness, { fetch: behindProxy })
  const copy = client.upload(new Blob([content]), { path: 'b.bin' })
  await expect(copy.done).rejects.toMatchObject({ code: 'bad_answer', retryable: true })
  expect(harness.emulator.controls.files().map(({ path }) => path.at(-1))).toEqual([
    'a.bin',
    'b.bin',
  ])
})

test('instant upload: a request that may have stored the file is not repeated', async () => {
  const harness = await startHarness()
  const client = uploadClient(harness)
  await client.upload(new Blob([content]), { path: 'a.bin' }).done
  const match = ({ body }: { body?: string }) => body?.includes('fullHash') ?? false
  harness.emulator.controls.force('begin-multipart', { drop: 'after', match })
  const copy = client.upload(new Blob([content]), { path: 'b.bin' })
  await expect(copy.done).rejects.toMatchObject({ code: 'upstream_unavailable', retryable: true })
  expect(harness.emulator.controls.files().map(({ path }) => path.at(-1))).toEqual([
    'a.bin',
    'b.bin',
  ])
})
