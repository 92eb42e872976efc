import { describe, expect, test } from 'vitest'
import { type Harness, someBytes, startHarness } from '../support/gateway.ts'
import { expectProblem } from '../support/problems.ts'

/** What SMH tells only once (contract §2). */
function lasting(file: Record<string, unknown>) {
  const { isOverwritten, previewByDoc, previewByCI, previewAsIcon, fileType, ...rest } = file
  return rest
}

/** Has SMH say once more of ann's `a.txt`, five bytes, that it is not confirmed, as a moment ago. */
function stillOpenOnce({ emulator }: Harness): void {
  const part = { PartNumber: 1, Size: 5, LastModified: '2026-03-09T11:23:01.000Z', ETag: '"x"' }
  const path = ['users', 'ann', 'a.txt']
  emulator.controls.force('status', {
    body: JSON.stringify({ confirmed: false, path, parts: [part] }),
  })
}

describe('completed again', () => {
  test('the same values, and stored once', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)], {
      headers: { 'x-smh-meta-origin': 'camera' },
    })
    const first = await (await harness.complete(upload)).json()
    for (const _ of ['second', 'third']) {
      const again = await harness.complete(upload)
      expect(again.status).toBe(200)
      expect(lasting(await again.json())).toEqual(lasting(first))
    }
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(harness.smhCalls('confirm')).toHaveLength(1)
  })

  test.each([2, 10])('%d at once: one file, the same for all', async (count) => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const answers = await Promise.all(Array.from({ length: count }, () => harness.complete(upload)))
    expect(answers.map(({ status }) => status)).toEqual(Array(count).fill(200))
    const [first, ...others] = await Promise.all(answers.map((answer) => answer.json()))
    for (const other of others) expect(lasting(other)).toEqual(lasting(first))
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(harness.smhCalls('confirm').filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('two that both find it open: the later one is told of the stored file', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await harness.complete(upload)
    stillOpenOnce(harness)
    harness.emulator.controls.clearCalls()
    const response = await harness.complete(upload)
    expect(await response.json()).toMatchObject({ name: 'a.txt', size: 5 })
    expect(harness.smhCalls().map(({ route, status }) => `${route} ${status}`)).toEqual([
      'status 200',
      'confirm 409',
      'status 200',
      'directory-info 200',
    ])
  })

  test('while another one is at it for longer than the tries last', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await harness.complete(upload)
    stillOpenOnce(harness)
    harness.emulator.controls.force('confirm', { status: 409, code: 'PathConflict', times: 3 })
    const response = await harness.complete(upload)
    expect(await response.json()).toMatchObject({ path: ['a.txt'], size: 5 })
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test.each([
    [409, 'SameNameDirectoryOrFileExists'],
    [404, 'ConfirmKeyNotFound'],
    [403, 'QuotaLimitReached'],
  ])(
    '%d %s because of the file that an earlier confirm has just stored: the caller gets the file',
    async (status, code) => {
      const harness = await startHarness()
      const upload = await harness.uploadParts('a.txt', [someBytes(5)])
      await harness.complete(upload)
      stillOpenOnce(harness)
      harness.emulator.controls.clearCalls()
      harness.emulator.controls.force('confirm', { status, code })
      const response = await harness.complete(upload)
      expect(await response.json()).toMatchObject({ path: ['a.txt'], size: 5 })
      expect(harness.smhCalls('confirm')).toHaveLength(1)
      expect(harness.emulator.controls.files()).toHaveLength(1)
    },
  )

  test('with the same crc64 as stored, and with another one', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const { crc64 } = await (await harness.complete(upload)).json()
    expect((await harness.complete(upload, { body: { crc64 } })).status).toBe(200)
    const other = await harness.complete(upload, { body: { crc64: '1' } })
    await expectProblem(other, 422, 'checksum_mismatch')
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('under the name it was given, not the wanted one', async () => {
    const harness = await startHarness()
    await harness.upload('a.txt', [someBytes(4)])
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await harness.complete(upload)
    const again = await harness.complete(upload)
    expect(await again.json()).toMatchObject({ path: ['a (1).txt'], name: 'a (1).txt', size: 5 })
  })

  test.each(['file', 'folder'])('after its %s was deleted', async (what) => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a/b.txt', [someBytes(5)])
    await harness.complete(upload)
    const token = harness.smhCalls('confirm')[0]?.query.access_token
    const target =
      what === 'file'
        ? 'file/smh0emulated/-/users/ann/a/b.txt'
        : 'directory/smh0emulated/-/users/ann/a'
    const url = `${harness.emulator.smhUrl}/api/v1/${target}?access_token=${token}`
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(204)
    await expectProblem(await harness.complete(upload), 409, 'upload_complete')
    expect(harness.emulator.controls.files()).toEqual([])
  })
})

describe('a repeat whose file has left the folder of the user', () => {
  const elsewhere = ['users', 'bob', 'a.txt']

  test('is 409, and SMH is not asked for the details', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await harness.complete(upload)
    harness.emulator.controls.clearCalls()
    harness.emulator.controls.force('status', {
      body: JSON.stringify({ confirmed: true, path: elsewhere }),
    })
    await expectProblem(await harness.complete(upload), 409, 'upload_complete')
    expect(harness.smhCalls().map(({ route }) => route)).toEqual(['status'])
  })

  test('is 409 also when only the details say so', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const file = await (await harness.complete(upload)).json()
    harness.emulator.controls.force('directory-info', {
      body: JSON.stringify({ ...file, path: elsewhere, metaData: { 'x-smh-meta-of': 'bob' } }),
    })
    const problem = await expectProblem(await harness.complete(upload), 409, 'upload_complete')
    expect(JSON.stringify(problem)).not.toContain('bob')
  })
})

test('a repeat after another upload has replaced the file says that its size differs', async () => {
  const harness = await startHarness({ environment: { UPLOAD_CONFLICT_STRATEGIES: 'overwrite' } })
  const wanted = { conflictResolutionStrategy: 'overwrite' }
  const upload = await harness.uploadParts('a.txt', [someBytes(5)], { wanted })
  await harness.complete(upload)
  await harness.upload('a.txt', [someBytes(6)], { wanted })
  const problem = await expectProblem(await harness.complete(upload), 422, 'size_mismatch')
  expect(problem.detail).toContain('may have replaced the file since')
  expect((await harness.records()).at(-1)).toMatchObject({
    level: 'warn',
    declaredSize: 5,
    storedSize: 6,
  })
})

describe('rules that became stricter after begin', () => {
  test.each([
    ['extension', { UPLOAD_ALLOWED_EXTENSIONS: 'jpg' }],
    ['strategy', { UPLOAD_CONFLICT_STRATEGIES: 'ask' }],
  ])('%s: complete is refused, and a repeat of an earlier one is not', async (rule, stricter) => {
    const harness = await startHarness()
    const on = await harness.startAnother(stricter as Record<string, string>)
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await expectProblem(await harness.complete(upload, { on }), 403, 'not_permitted')
    expect((await harness.records()).at(-1)).toMatchObject({ reason: rule })
    expect(harness.smhCalls('confirm')).toEqual([])
    expect((await harness.complete(upload)).status).toBe(200)
    expect((await harness.complete(upload, { on })).status).toBe(200)
  })
})

describe('an answer of SMH that was lost', () => {
  test('is made up for by asking: the caller gets the stored file', async () => {
    const harness = await startHarness()
    harness.emulator.controls.loseConfirmResponse()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const response = await harness.complete(upload)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ path: ['a.txt'], name: 'a.txt', size: 5 })
    expect(harness.smhCalls('confirm')).toHaveLength(1)
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('of several callers at once: every one gets the file', async () => {
    const harness = await startHarness()
    harness.emulator.controls.loseConfirmResponse()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const answers = await Promise.all(Array.from({ length: 5 }, () => harness.complete(upload)))
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200))
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('a confirm that never arrived is made once more', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    harness.emulator.controls.force('confirm', { drop: 'before' })
    expect((await harness.complete(upload)).status).toBe(200)
    expect(harness.smhCalls('confirm').map(({ status }) => status)).toEqual([null, 200])
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test.each([500, 503])('a confirm that took effect and said %d', async (status) => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await harness.complete(upload)
    stillOpenOnce(harness)
    harness.emulator.controls.force('confirm', { status })
    const response = await harness.complete(upload)
    expect(await response.json()).toMatchObject({ path: ['a.txt'], size: 5 })
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('a caller who leaves while SMH confirms does not stop it', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const leaving = new AbortController()
    const match = () => {
      leaving.abort()
      return true
    }
    harness.emulator.controls.force('confirm', { delayMs: 50, match })
    await expect(harness.complete(upload, { signal: leaving.signal })).rejects.toThrow()
    const line = { event: 'request', operation: 'completeUpload', level: 'info', status: 200 }
    const records = expect.poll(() => harness.records(), { timeout: 5_000 })
    await records.toContainEqual(expect.objectContaining(line))
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect((await harness.complete(upload)).status).toBe(200)
  })
})
