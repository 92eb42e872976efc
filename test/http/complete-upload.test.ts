import { expect, test } from 'vitest'
import { bob, MiB, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

test('complete: returns exactly the declared fields of the stored file', async () => {
  const harness = await startHarness()
  const bytes = someBytes(5)
  const upload = await harness.uploadParts('holiday/clip.mp4', [bytes], {
    headers: { 'x-smh-meta-origin': 'camera' },
  })
  const response = await harness.complete(upload)
  expect(response.status).toBe(200)
  expect(response.headers.get('cache-control')).toBe('no-store')
  const [file] = harness.emulator.controls.files()
  expect(await response.json()).toEqual({
    path: ['holiday', 'clip.mp4'],
    name: 'clip.mp4',
    type: 'video',
    size: 5,
    contentType: 'video/mp4',
    creationTime: file?.creationTime,
    modificationTime: file?.modificationTime,
    eTag: file?.eTag,
    crc64: file?.crc64,
    metaData: { 'x-smh-meta-origin': 'camera' },
    isOverwritten: false,
    previewByDoc: expect.any(Boolean),
    previewByCI: expect.any(Boolean),
    previewAsIcon: expect.any(Boolean),
    fileType: 'video',
  })
  const stored = await new Response(
    harness.emulator.controls.readFile('-', ['users', 'ann', 'holiday', 'clip.mp4']),
  ).arrayBuffer()
  expect(new Uint8Array(stored)).toEqual(bytes)
})

test('complete: labels, category and times of the request are stored with the file', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(5)])
  const body = {
    labels: ['holiday'],
    category: 'photo',
    localCreationTime: '2026-01-02T03:04:05Z',
    localModificationTime: '2026-01-03T03:04:05Z',
  }
  expect((await harness.complete(upload, { body })).status).toBe(200)
  expect(JSON.parse(harness.smhCalls('confirm')[0]?.body ?? '')).toEqual(body)
  expect(harness.emulator.controls.files()).toMatchObject([body])
})

test("complete: the call to SMH repeats the strategy and has the user's ID", async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(5)], {
    as: bob,
    wanted: { conflictResolutionStrategy: 'ask' },
  })
  await harness.complete(upload, { as: bob })
  expect(harness.smhCalls('confirm')[0]?.query).toEqual({
    confirm: '',
    conflict_resolution_strategy: 'ask',
    user_id: 'bob',
    access_token: expect.any(String),
  })
})

test.each<[strategy: string, answer: object, names: string[]]>([
  ['rename', { name: 'a (1).txt', isOverwritten: false }, ['a (1).txt', 'a.txt']],
  ['overwrite', { name: 'a.txt', isOverwritten: true }, ['a.txt']],
])('complete: an existing name, with the strategy %s', async (strategy, answer, names) => {
  const environment = { UPLOAD_CONFLICT_STRATEGIES: 'rename,overwrite' }
  const harness = await startHarness({ environment })
  await harness.upload('a.txt', [someBytes(5)])
  const wanted = { conflictResolutionStrategy: strategy }
  expect(await harness.upload('a.txt', [someBytes(6)], { wanted })).toMatchObject(answer)
  const stored = harness.emulator.controls.files().map(({ path }) => path.at(-1))
  expect(stored.sort()).toEqual(names)
})

test('complete: a name that another file took since begin, with the strategy ask, returns 409', async () => {
  const harness = await startHarness()
  const wanted = { conflictResolutionStrategy: 'ask' }
  const upload = await harness.uploadParts('a.txt', [someBytes(5)], { wanted })
  await harness.upload('a.txt', [someBytes(6)])
  await expectProblem(await harness.complete(upload), 409, 'name_conflict')
  expect(harness.emulator.controls.files()).toMatchObject([{ size: 6 }])
})

test('complete: a folder that was deleted since begin returns parent_not_found', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a/b.txt', [someBytes(5)])
  const token = harness.smhCalls('begin-multipart')[0]?.query.access_token
  const folder = `${harness.emulator.smhUrl}/api/v1/directory/smh0emulated/-/users/ann/a`
  await fetch(`${folder}?access_token=${token}`, { method: 'DELETE' })
  await expectProblem(await harness.complete(upload), 404, 'parent_not_found')
  expect(harness.emulator.controls.files()).toEqual([])
})

test('complete: an aborted upload returns 404', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(5)])
  await harness.request('DELETE', `/v1/uploads/${upload.confirmKey}`)
  await expectProblem(await harness.complete(upload), 404, 'upload_not_found')
})

test("complete: unknown fields of SMH's response are not passed on", async () => {
  const harness = await startHarness()
  harness.emulator.controls.addExtraReplyFields({ inode: 'b10c', userId: 'x', virusAuditStatus: 0 })
  const upload = await harness.uploadParts('a.txt', [someBytes(5)])
  const first = await (await harness.complete(upload)).text()
  const again = await (await harness.complete(upload)).text()
  expect(first + again).not.toMatch(/inode|userId|virusAuditStatus/)
})

test('complete: a full quota and refused content return their own codes', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(MiB)])
  harness.emulator.controls.setQuota('-', 5)
  await expectProblem(await harness.complete(upload), 507, 'quota_exceeded')
  harness.emulator.controls.setQuota('-', null)
  const refusal = { status: 451, code: 'SensitiveContentRecognized' }
  harness.emulator.controls.force('confirm', refusal)
  await expectProblem(await harness.complete(upload), 451, 'content_refused')
  expect(harness.emulator.controls.files()).toEqual([])
  expect((await harness.complete(upload)).status).toBe(200)
})
