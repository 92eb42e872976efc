import { describe, expect, test } from 'vitest'
import { type Harness, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

/** Fields that SMH returns only once, from confirm. */
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

describe('complete: a repeat', () => {
  test('returns the same file, which is stored once', async () => {
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

  test.each([2, 10])('%d at once all return the same file', async (count) => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const answers = await Promise.all(Array.from({ length: count }, () => harness.complete(upload)))
    expect(answers.map(({ status }) => status)).toEqual(Array(count).fill(200))
    const [first, ...others] = await Promise.all(answers.map((answer) => answer.json()))
    for (const other of others) expect(lasting(other)).toEqual(lasting(first))
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(harness.smhCalls('confirm').filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('at the same time returns the stored file, although both requests found the upload open', async () => {
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

  test('while another confirm takes longer than all attempts returns the stored file', async () => {
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
    'returns the file when SMH answers %d %s because an earlier confirm has just stored it',
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

  test('succeeds with the stored crc64 and fails with another', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const { crc64 } = await (await harness.complete(upload)).json()
    expect((await harness.complete(upload, { body: { crc64 } })).status).toBe(200)
    const other = await harness.complete(upload, { body: { crc64: '1' } })
    await expectProblem(other, 422, 'checksum_mismatch')
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('returns the name that SMH gave the file', async () => {
    const harness = await startHarness()
    await harness.upload('a.txt', [someBytes(4)])
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await harness.complete(upload)
    const again = await harness.complete(upload)
    expect(await again.json()).toMatchObject({ path: ['a (1).txt'], name: 'a (1).txt', size: 5 })
  })

  test.each(['file', 'folder'])('returns 404 after its %s was deleted', async (what) => {
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

describe("complete: a repeat whose file was moved out of the user's folder", () => {
  const elsewhere = ['users', 'bob', 'a.txt']

  test('returns 409 without a call for the details', async () => {
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

  test('returns 409 when only the details show it', async () => {
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

test('complete: a repeat after another upload replaced the file reports that the size differs', async () => {
  const harness = await startHarness({ environment: { UPLOAD_CONFLICT_STRATEGIES: 'overwrite' } })
  const wanted = { conflictResolutionStrategy: 'overwrite' }
  const upload = await harness.uploadParts('a.txt', [someBytes(5)], { wanted })
  await harness.complete(upload)
  await harness.upload('a.txt', [someBytes(6)], { wanted })
  const problem = await expectProblem(await harness.complete(upload), 422, 'size_mismatch')
  expect(problem.detail).toContain('may have replaced the file.')
  expect((await harness.records()).at(-1)).toMatchObject({
    level: 'warn',
    declaredSize: 5,
    storedSize: 6,
  })
})

describe('complete: a rule that became stricter after begin', () => {
  test.each([
    ['extension', { UPLOAD_ALLOWED_EXTENSIONS: 'jpg' }],
    ['strategy', { UPLOAD_CONFLICT_STRATEGIES: 'ask' }],
  ])(
    '%s: complete is refused, a repeat of an earlier complete succeeds',
    async (rule, stricter) => {
      const harness = await startHarness()
      const on = await harness.startAnother(stricter as Record<string, string>)
      const upload = await harness.uploadParts('a.txt', [someBytes(5)])
      await expectProblem(await harness.complete(upload, { on }), 403, 'not_permitted')
      expect((await harness.records()).at(-1)).toMatchObject({ reason: rule })
      expect(harness.smhCalls('confirm')).toEqual([])
      expect((await harness.complete(upload)).status).toBe(200)
      expect((await harness.complete(upload, { on })).status).toBe(200)
    },
  )
})

describe('complete: a lost response from SMH', () => {
  test('is recovered from the status, and the client gets the stored file', async () => {
    const harness = await startHarness()
    harness.emulator.controls.loseConfirmResponse()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const response = await harness.complete(upload)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ path: ['a.txt'], name: 'a.txt', size: 5 })
    expect(harness.smhCalls('confirm')).toHaveLength(1)
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('of several requests at once: each returns the file', async () => {
    const harness = await startHarness()
    harness.emulator.controls.loseConfirmResponse()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    const answers = await Promise.all(Array.from({ length: 5 }, () => harness.complete(upload)))
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200))
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('a confirm that never arrived is repeated', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    harness.emulator.controls.force('confirm', { drop: 'before' })
    expect((await harness.complete(upload)).status).toBe(200)
    expect(harness.smhCalls('confirm').map(({ status }) => status)).toEqual([null, 200])
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test.each([500, 503])(
    'a confirm that took effect and returned %d counts as done',
    async (status) => {
      const harness = await startHarness()
      const upload = await harness.uploadParts('a.txt', [someBytes(5)])
      await harness.complete(upload)
      stillOpenOnce(harness)
      harness.emulator.controls.force('confirm', { status })
      const response = await harness.complete(upload)
      expect(await response.json()).toMatchObject({ path: ['a.txt'], size: 5 })
      expect(harness.emulator.controls.files()).toHaveLength(1)
    },
  )

  test('a client that disconnects while SMH confirms does not stop the confirm', async () => {
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
