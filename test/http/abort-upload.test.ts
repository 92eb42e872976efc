import { expect, test } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

test('abort: the upload and its parts are gone, and a repeat also returns 204', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: MiB + 5 })
  await harness.putPart(upload, 1, someBytes(MiB))
  for (const _ of ['first', 'second', 'third']) {
    const response = await harness.request('DELETE', `/v1/uploads/${upload.confirmKey}`)
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(response.headers.get('cache-control')).toBe('no-store')
  }
  expect(harness.emulator.controls.openTasks()).toEqual([])
  const part = await harness.putPart(upload, 2, someBytes(5))
  expect([part.status, await part.text()]).toEqual([404, expect.stringContaining('NoSuchUpload')])
})

test.each(['UploadNotFound', 'ConfirmKeyNotFound'])(
  'abort: %s from SMH counts as aborted',
  async (code) => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
    harness.emulator.controls.force('cancel', { status: 404, code })
    const response = await harness.request('DELETE', `/v1/uploads/${confirmKey}`)
    expect(response.status).toBe(204)
  },
)

test('abort: ten requests at once all return 204', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => harness.request('DELETE', `/v1/uploads/${confirmKey}`)),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(204))
})

test('abort: a completed upload is refused, and its file stays', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(5)])
  await harness.complete(upload)
  for (const _ of ['first', 'second']) {
    const response = await harness.request('DELETE', `/v1/uploads/${upload.confirmKey}`)
    await expectProblem(response, 409, 'upload_complete')
  }
  expect(harness.emulator.controls.files()).toMatchObject([{ size: 5 }])
  expect(harness.smhCalls('file-delete')).toEqual([])
})

test('abort: a lost response from SMH is retried, and the upload is gone', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
  harness.emulator.controls.force('cancel', { drop: 'after' })
  const response = await harness.request('DELETE', `/v1/uploads/${confirmKey}`)
  expect(response.status).toBe(204)
  expect(harness.smhCalls('cancel').map(({ status }) => status)).toEqual([null, 404])
})

test('abort: the call to SMH is a cancel of this task', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
  const [task] = harness.emulator.controls.openTasks()
  await harness.request('DELETE', `/v1/uploads/${confirmKey}`)
  const [call] = harness.smhCalls('cancel')
  expect(call?.path).toBe(`/api/v1/file/smh0emulated/-/${task?.confirmKey}`)
  expect(call?.query).toEqual({ upload: '', user_id: 'ann', access_token: expect.any(String) })
})
