import { createCRC64 } from 'hash-wasm'
import { describe, expect, test } from 'vitest'
import { type Credentials, MiB, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

async function crc64Of(...parts: Uint8Array[]): Promise<string> {
  const crc = await createCRC64()
  for (const part of parts) crc.update(part)
  return BigInt(`0x${crc.digest('hex')}`).toString()
}

describe('complete: parts that do not make up the file', () => {
  test.each<[what: string, sent: [number: number, bytes: number][], missing: number[]]>([
    ['no parts', [], [1]],
    [
      'the first is missing',
      [
        [2, MiB],
        [3, 5],
      ],
      [1],
    ],
    [
      'several are missing',
      [
        [1, MiB],
        [3, MiB],
        [6, 5],
      ],
      [2, 4, 5],
    ],
    [
      'a small one in the middle',
      [
        [1, MiB],
        [2, MiB - 1],
        [3, 5],
      ],
      [2],
    ],
    [
      'a small one at the start',
      [
        [1, 5],
        [2, MiB],
      ],
      [1],
    ],
    [
      'one is missing, one is too small',
      [
        [1, 5],
        [3, 5],
      ],
      [1, 2],
    ],
  ])('%s', async (_, sent, missingParts) => {
    const harness = await startHarness()
    const upload = await harness.begin({ path: 'a.txt', size: 3 * MiB })
    for (const [number, bytes] of sent) await harness.putPart(upload, number, someBytes(bytes))
    const response = await harness.complete(upload)
    const problem = await expectProblem(response, 422, 'upload_incomplete')
    expect(problem.missingParts).toEqual(missingParts)
    expect(harness.smhCalls('confirm')).toEqual([])
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })

  test.each([MiB + 4, MiB + 6])(
    '%d bytes instead of the declared size return size_mismatch',
    async (bytes) => {
      const harness = await startHarness()
      const upload = await harness.begin({ path: 'a.txt', size: MiB + 5 })
      await harness.putPart(upload, 1, someBytes(MiB))
      await harness.putPart(upload, 2, someBytes(bytes - MiB))
      await expectProblem(await harness.complete(upload), 422, 'size_mismatch')
      expect(harness.smhCalls('confirm')).toEqual([])

      await harness.putPart(upload, 2, someBytes(5))
      expect((await harness.complete(upload)).status).toBe(200)
    },
  )

  test('complete succeeds once the missing parts are sent', async () => {
    const harness = await startHarness()
    const upload = await harness.begin({ path: 'a.txt', size: 2 * MiB + 5 })
    await harness.putPart(upload, 3, someBytes(5))
    await harness.putPart(upload, 1, someBytes(MiB))
    const { missingParts } = await expectProblem(
      await harness.complete(upload),
      422,
      'upload_incomplete',
    )
    for (const number of missingParts ?? []) await harness.putPart(upload, number, someBytes(MiB))
    expect(await (await harness.complete(upload)).json()).toMatchObject({ size: 2 * MiB + 5 })
  })

  test.each(['UploadIncomplete', 'MultipartUploadIncomplete', 'MultipartUploadPartTooSmall'])(
    '%s from SMH',
    async (code) => {
      const harness = await startHarness()
      const upload = await harness.uploadParts('a.txt', [someBytes(5)])
      harness.emulator.controls.force('confirm', { status: 400, code })
      await expectProblem(await harness.complete(upload), 422, 'upload_incomplete')
      expect(harness.emulator.controls.files()).toEqual([])
    },
  )
})

describe('complete: more bytes than the policy allows', () => {
  test('beyond the declared size return 413, and the task is cancelled', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: String(MiB) } })
    const upload = await harness.begin({ path: 'a.txt', size: MiB })
    await harness.putPart(upload, 1, someBytes(MiB))
    await harness.putPart(upload, 2, someBytes(1))
    await expectProblem(await harness.complete(upload), 413, 'file_too_large')
    expect(harness.smhCalls('cancel')).toMatchObject([{ status: 204 }])
    expect(harness.smhCalls('confirm')).toEqual([])
    expect(harness.emulator.controls.openTasks()).toEqual([])
    await expectProblem(await harness.complete(upload), 404, 'upload_not_found')
  })

  test('with missing parts also return 413', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: String(MiB) } })
    const upload = await harness.begin({ path: 'a.txt', size: MiB })
    await harness.putPart(upload, 2, someBytes(MiB + 1))
    await expectProblem(await harness.complete(upload), 413, 'file_too_large')
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('return 413 when the limit was lowered after begin', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(1001)])
    const on = await harness.startAnother({ UPLOAD_MAX_BYTES: '1000' })
    await expectProblem(await harness.complete(upload, { on }), 413, 'file_too_large')
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('return 413 even when the cancel fails', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: '1000' } })
    const upload = await harness.begin({ path: 'a.txt', size: 5 })
    await harness.putPart(upload, 1, someBytes(1001))
    harness.emulator.controls.force('cancel', { status: 500, times: Infinity })
    await expectProblem(await harness.complete(upload), 413, 'file_too_large')
    expect(harness.emulator.controls.files()).toEqual([])
  })
})

test('complete: when SMH reports missing parts, they are listed from its status', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(MiB, 1), someBytes(5, 2)])
  // Between our look at the parts and the confirm one of them is replaced by a shorter one.
  harness.emulator.controls.force('status', {
    status: 200,
    body: JSON.stringify({
      confirmed: false,
      path: ['users', 'ann', 'a.txt'],
      parts: [
        { PartNumber: 1, LastModified: '2026-03-09T11:23:01.000Z', ETag: '"e"', Size: MiB },
        { PartNumber: 2, LastModified: '2026-03-09T11:23:01.000Z', ETag: '"e"', Size: 5 },
      ],
    }),
  })
  await harness.putPart(upload, 1, someBytes(1000, 1))
  const problem = await expectProblem(await harness.complete(upload), 422, 'upload_incomplete')
  expect(problem.missingParts).toEqual([1])
  expect(
    harness
      .smhCalls()
      .map(({ route }) => route)
      .slice(-3),
  ).toEqual(['status', 'confirm', 'status'])
})

describe('complete: the checksum', () => {
  test('is passed to SMH, which compares it', async () => {
    const harness = await startHarness()
    const parts = [someBytes(MiB, 1), someBytes(5, 2)]
    const upload = await harness.uploadParts('a.txt', parts)
    const crc64 = await crc64Of(...parts)
    const response = await harness.complete(upload, { body: { crc64 } })
    expect(await response.json()).toMatchObject({ crc64 })
    expect(JSON.parse(harness.smhCalls('confirm')[0]?.body ?? '')).toEqual({ crc64 })
  })

  test('of a corrupted part differs, and complete succeeds once the part is sent again', async () => {
    const harness = await startHarness()
    const parts = [someBytes(MiB, 1), someBytes(5, 2)]
    const upload: Credentials = await harness.uploadParts('a.txt', parts)
    const [task] = harness.emulator.controls.openTasks()
    await harness.emulator.controls.corruptPart(task?.confirmKey ?? '', 1)
    const body = { crc64: await crc64Of(...parts) }
    await expectProblem(await harness.complete(upload, { body }), 422, 'checksum_mismatch')
    expect(harness.emulator.controls.files()).toEqual([])
    expect(harness.smhCalls('confirm')).toHaveLength(1)

    await harness.putPart(upload, 1, someBytes(MiB, 1))
    expect((await harness.complete(upload, { body })).status).toBe(200)
    expect(harness.emulator.controls.files()).toMatchObject([body])
  })
})
