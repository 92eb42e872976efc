import { createCRC64 } from 'hash-wasm'
import { describe, expect, test } from 'vitest'
import { type Credentials, MiB, someBytes, startBench } from '../support/gateway.ts'
import { expectProblem } from '../support/problems.ts'

async function crc64Of(...parts: Uint8Array[]): Promise<string> {
  const crc = await createCRC64()
  for (const part of parts) crc.update(part)
  return BigInt(`0x${crc.digest('hex')}`).toString()
}

describe('parts that do not make the file', () => {
  test.each<[what: string, sent: [number: number, bytes: number][], missing: number[]]>([
    ['none at all', [], [1]],
    [
      'the first is missing',
      [
        [2, MiB],
        [3, 5],
      ],
      [1],
    ],
    [
      'gaps',
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
      'both',
      [
        [1, 5],
        [3, 5],
      ],
      [1, 2],
    ],
  ])('%s', async (_, sent, missingParts) => {
    const bench = await startBench()
    const upload = await bench.begin({ path: 'a.txt', size: 3 * MiB })
    for (const [number, bytes] of sent) await bench.putPart(upload, number, someBytes(bytes))
    const response = await bench.complete(upload)
    const problem = await expectProblem(response, 422, 'upload_incomplete')
    expect(problem.missingParts).toEqual(missingParts)
    expect(bench.smhCalls('confirm')).toEqual([])
    expect(bench.emulator.controls.openTasks()).toHaveLength(1)
  })

  test.each([MiB + 4, MiB + 6])('%d bytes instead of the declared ones', async (bytes) => {
    const bench = await startBench()
    const upload = await bench.begin({ path: 'a.txt', size: MiB + 5 })
    await bench.putPart(upload, 1, someBytes(MiB))
    await bench.putPart(upload, 2, someBytes(bytes - MiB))
    await expectProblem(await bench.complete(upload), 422, 'size_mismatch')
    expect(bench.smhCalls('confirm')).toEqual([])

    await bench.putPart(upload, 2, someBytes(5))
    expect((await bench.complete(upload)).status).toBe(200)
  })

  test('what is missing is sent, and then it is complete', async () => {
    const bench = await startBench()
    const upload = await bench.begin({ path: 'a.txt', size: 2 * MiB + 5 })
    await bench.putPart(upload, 3, someBytes(5))
    await bench.putPart(upload, 1, someBytes(MiB))
    const { missingParts } = await expectProblem(
      await bench.complete(upload),
      422,
      'upload_incomplete',
    )
    for (const number of missingParts ?? []) await bench.putPart(upload, number, someBytes(MiB))
    expect(await (await bench.complete(upload)).json()).toMatchObject({ size: 2 * MiB + 5 })
  })

  test.each(['UploadIncomplete', 'MultipartUploadIncomplete', 'MultipartUploadPartTooSmall'])(
    'SMH itself says %s',
    async (code) => {
      const bench = await startBench()
      const upload = await bench.uploadParts('a.txt', [someBytes(5)])
      bench.emulator.controls.force('confirm', { status: 400, code })
      await expectProblem(await bench.complete(upload), 422, 'upload_incomplete')
      expect(bench.emulator.controls.files()).toEqual([])
    },
  )
})

describe('more bytes than the policy allows', () => {
  test('sent beyond the declared size: 413, and the task is cancelled', async () => {
    const bench = await startBench({ environment: { UPLOAD_MAX_BYTES: String(MiB) } })
    const upload = await bench.begin({ path: 'a.txt', size: MiB })
    await bench.putPart(upload, 1, someBytes(MiB))
    await bench.putPart(upload, 2, someBytes(1))
    await expectProblem(await bench.complete(upload), 413, 'file_too_large')
    expect(bench.smhCalls('cancel')).toMatchObject([{ status: 204 }])
    expect(bench.smhCalls('confirm')).toEqual([])
    expect(bench.emulator.controls.openTasks()).toEqual([])
    await expectProblem(await bench.complete(upload), 404, 'upload_not_found')
  })

  test('when there are gaps besides, 413 all the same', async () => {
    const bench = await startBench({ environment: { UPLOAD_MAX_BYTES: String(MiB) } })
    const upload = await bench.begin({ path: 'a.txt', size: MiB })
    await bench.putPart(upload, 2, someBytes(MiB + 1))
    await expectProblem(await bench.complete(upload), 413, 'file_too_large')
    expect(bench.emulator.controls.openTasks()).toEqual([])
  })

  test('begun under a rule that has become stricter', async () => {
    const bench = await startBench()
    const upload = await bench.uploadParts('a.txt', [someBytes(1001)])
    const on = await bench.startAnother({ UPLOAD_MAX_BYTES: '1000' })
    await expectProblem(await bench.complete(upload, { on }), 413, 'file_too_large')
    expect(bench.emulator.controls.openTasks()).toEqual([])
  })

  test('that cannot be cancelled right now: 413 all the same', async () => {
    const bench = await startBench({ environment: { UPLOAD_MAX_BYTES: '1000' } })
    const upload = await bench.begin({ path: 'a.txt', size: 5 })
    await bench.putPart(upload, 1, someBytes(1001))
    bench.emulator.controls.force('cancel', { status: 500, times: Infinity })
    await expectProblem(await bench.complete(upload), 413, 'file_too_large')
    expect(bench.emulator.controls.files()).toEqual([])
  })
})

test('what SMH misses after all is read from its list once more', async () => {
  const bench = await startBench()
  const upload = await bench.uploadParts('a.txt', [someBytes(MiB, 1), someBytes(5, 2)])
  // Between our look at the parts and the confirm one of them is replaced by a shorter one.
  bench.emulator.controls.force('status', {
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
  await bench.putPart(upload, 1, someBytes(1000, 1))
  const problem = await expectProblem(await bench.complete(upload), 422, 'upload_incomplete')
  expect(problem.missingParts).toEqual([1])
  expect(
    bench
      .smhCalls()
      .map(({ route }) => route)
      .slice(-3),
  ).toEqual(['status', 'confirm', 'status'])
})

describe('the checksum', () => {
  test('is compared by SMH', async () => {
    const bench = await startBench()
    const parts = [someBytes(MiB, 1), someBytes(5, 2)]
    const upload = await bench.uploadParts('a.txt', parts)
    const crc64 = await crc64Of(...parts)
    const response = await bench.complete(upload, { body: { crc64 } })
    expect(await response.json()).toMatchObject({ crc64 })
    expect(JSON.parse(bench.smhCalls('confirm')[0]?.body ?? '')).toEqual({ crc64 })
  })

  test('a part that went bad on its way is sent again, and all is well', async () => {
    const bench = await startBench()
    const parts = [someBytes(MiB, 1), someBytes(5, 2)]
    const upload: Credentials = await bench.uploadParts('a.txt', parts)
    const [task] = bench.emulator.controls.openTasks()
    await bench.emulator.controls.corruptPart(task?.confirmKey ?? '', 1)
    const body = { crc64: await crc64Of(...parts) }
    await expectProblem(await bench.complete(upload, { body }), 422, 'checksum_mismatch')
    expect(bench.emulator.controls.files()).toEqual([])
    expect(bench.smhCalls('confirm')).toHaveLength(1)

    await bench.putPart(upload, 1, someBytes(MiB, 1))
    expect((await bench.complete(upload, { body })).status).toBe(200)
    expect(bench.emulator.controls.files()).toMatchObject([body])
  })
})
