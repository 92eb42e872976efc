import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

test('getUpload: an upload without parts has an empty list', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a/b.txt', size: 12 })
  const response = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  expect(response.status).toBe(200)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.json()).toEqual({
    confirmed: false,
    method: 'multipart',
    path: ['a', 'b.txt'],
    size: 12,
    uploadId: upload.uploadId,
    parts: [],
  })
})

test('getUpload: lists the received parts as COS has them', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 2 * MiB + 5 })
  const sent = [
    [3, someBytes(5, 3)],
    [1, someBytes(MiB, 1)],
  ] as const
  for (const [number, bytes] of sent) await harness.putPart(upload, number, bytes)
  const response = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  const { parts } = await response.json()
  const part = (partNumber: number, bytes: Uint8Array) => ({
    partNumber,
    size: bytes.length,
    eTag: `"${createHash('md5').update(bytes).digest('hex')}"`,
    lastModified: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  })
  expect(parts).toEqual([part(1, sent[1][1]), part(3, sent[0][1])])
})

test('getUpload: a part that was sent twice appears once, with the last content', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 5 })
  await harness.putPart(upload, 1, someBytes(4))
  await harness.putPart(upload, 1, someBytes(5))
  const response = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  expect((await response.json()).parts).toMatchObject([{ partNumber: 1, size: 5 }])
})

test('getUpload: does not return the credentials that SMH sends', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 5 })
  const response = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  expect(await response.text()).not.toMatch(/q-sign|security-token|uploadPartInfo|cos/i)
})

test('getUpload: a completed upload has its final name', async () => {
  const harness = await startHarness()
  await harness.upload('a.txt', [someBytes(3)])
  const upload = await harness.uploadParts('a.txt', [someBytes(4)])
  await harness.complete(upload)
  const response = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  expect(await response.json()).toEqual({
    confirmed: true,
    method: 'multipart',
    path: ['a (1).txt'],
    size: 4,
  })
})

test('getUpload: the size is the declared one', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 100 })
  await harness.putPart(upload, 1, someBytes(7))
  const response = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  expect(await response.json()).toMatchObject({ size: 100, parts: [{ size: 7 }] })
})

test("getUpload: the path is null when the folder is gone or outside the user's folder", async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a/b.txt', size: 5 })
  const token = harness.smhCalls('begin-multipart')[0]?.query.access_token
  const folder = `${harness.emulator.smhUrl}/api/v1/directory/smh0emulated/-/users/ann/a`
  await fetch(`${folder}?access_token=${token}`, { method: 'DELETE' })
  const gone = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  expect(await gone.json()).toMatchObject({ confirmed: false, path: null })

  const body = JSON.stringify({ confirmed: true, path: ['users', 'bob', 'secret.txt'] })
  harness.emulator.controls.force('status', { body })
  const elsewhere = await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
  expect(await elsewhere.json()).toEqual({
    confirmed: true,
    method: 'multipart',
    path: null,
    size: 5,
  })
})

test('getUpload: an aborted upload returns 404', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
  await harness.request('DELETE', `/v1/uploads/${confirmKey}`)
  const response = await harness.request('GET', `/v1/uploads/${confirmKey}`)
  await expectProblem(response, 404, 'upload_not_found')
})

test('getUpload: part numbers outside 1 to 10,000 return 502', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
  const part = { LastModified: '2026-03-09T11:23:01.000Z', ETag: '"x"', Size: 5 }
  for (const PartNumber of [10_001, Number.MAX_SAFE_INTEGER, 0, -1, 1.5, '1']) {
    const body = JSON.stringify({ confirmed: false, path: ['a'], parts: [{ PartNumber, ...part }] })
    harness.emulator.controls.force('status', { body, times: 2 })
    const shown = await harness.request('GET', `/v1/uploads/${confirmKey}`)
    await expectProblem(shown, 502, 'upstream_error')
    const completed = await harness.complete({ confirmKey })
    await expectProblem(completed, 502, 'upstream_error')
  }
  expect(harness.smhCalls('confirm')).toEqual([])
})

const partOf = (number: number) => ({
  PartNumber: number,
  LastModified: '2026-03-09T11:23:01.000Z',
  ETag: '"7202826a7791073fe2787f0c94603278"',
  Size: MiB,
})

test('getUpload: a status of 10,000 parts lists all of them', async () => {
  const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: String(10_000 * MiB) } })
  const { confirmKey } = await harness.begin({ path: 'a.bin', size: 10_000 * MiB })
  const parts = Array.from({ length: 10_000 }, (_, index) => partOf(index + 1))
  harness.emulator.controls.force('status', {
    body: JSON.stringify({ confirmed: false, path: ['users', 'ann', 'a.bin'], parts }),
  })
  const response = await harness.request('GET', `/v1/uploads/${confirmKey}`)
  expect((await response.json()).parts).toHaveLength(10_000)
})

test.each([
  ['10,001 parts', JSON.stringify(Array.from({ length: 10_001 }, () => partOf(1)))],
  ['a million brackets', `${'['.repeat(1e6)}${']'.repeat(1e6)}`],
  ['an upload id of 1 MB', `[],"uploadId":"${'u'.repeat(1e6)}"`],
])('getUpload: a status with %s returns 502', async (_, parts) => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.bin', size: 5 })
  const body = `{"confirmed":false,"path":null,"parts":${parts}}`
  harness.emulator.controls.force('status', { body })
  const response = await harness.request('GET', `/v1/uploads/${confirmKey}`)
  await expectProblem(response, 502, 'upstream_error')
  expect((await harness.records()).at(-1)).toMatchObject({ reason: 'invalid_response' })
})
