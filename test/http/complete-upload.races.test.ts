import { request as httpRequest } from 'node:http'
import { expect, test } from 'vitest'
import { type Credentials, type Harness, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

/*
 * A client that changes the parts while the upload completes. The emulator holds a call until the change
 * has been made, so each try meets the gap between two calls of the gateway, whatever the machine does.
 */

const TRIES = 40
const DECLARED = 1000
const LIMIT = 2000

/** A stored size that is above the limit in every second try. */
const realSize = (run: number) => (run % 2 === 0 ? LIMIT - 1 : LIMIT + 1)

const expected = (run: number) =>
  run % 2 === 0 ? ([422, 'size_mismatch'] as const) : ([413, 'file_too_large'] as const)

const start = () =>
  startHarness({ environment: { UPLOAD_MAX_BYTES: String(LIMIT), RATE_LIMIT_PER_MINUTE: '0' } })

/** Sends part 1 but for its last byte; what it gives sends that byte and waits for COS. */
function sendAllButTheEnd({ domain, path, uploadId, headers }: Credentials, size: number) {
  const url = `http://${domain}${path}?uploadId=${encodeURIComponent(uploadId)}&partNumber=1`
  const put = httpRequest(url, { method: 'PUT', headers: { ...headers, 'content-length': size } })
  const status = new Promise((resolve, reject) => {
    put.on('error', reject).on('response', (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
  })
  const bytes = someBytes(size)
  put.write(bytes.subarray(0, -1))
  return async () => {
    put.end(bytes.subarray(-1))
    expect(await status).toBe(200)
  }
}

const linesOf = async (harness: Harness, reason: string) =>
  (await harness.records()).filter((record) => record.reason === reason)

test('complete: a part that changes between check and confirm returns an error, and the log identifies the file', {
  timeout: 120_000,
}, async () => {
  const harness = await start()
  for (let run = 0; run < TRIES; run += 1) {
    const upload = await harness.uploadParts(`${run}.bin`, [someBytes(DECLARED)])
    const storedSize = realSize(run)
    const sendTheEnd = sendAllButTheEnd(upload, storedSize)
    const smhRequestId = `race-${run}`
    harness.emulator.controls.force('confirm', {
      until: sendTheEnd,
      headers: { 'X-Request-Id': smhRequestId },
    })
    const response = await harness.complete(upload)
    const requestId = response.headers.get('x-request-id')
    const [status, code] = expected(run)
    const problem = await expectProblem(response, status, code)
    expect(problem.detail).toBe(`The stored file has ${storedSize} bytes, but 1000 were declared.`)

    // It stays: SMH can delete by path alone, and the path may be another file's by then.
    const path = ['users', 'ann', `${run}.bin`]
    expect(harness.emulator.controls.files()).toContainEqual(
      expect.objectContaining({ path, size: storedSize }),
    )
    const lines = (await linesOf(harness, 'stored_size')).filter((r) => r.requestId === requestId)
    expect(lines).toMatchObject([
      {
        level: 'error',
        event: 'request',
        requestId,
        operation: 'completeUpload',
        status,
        code,
        reason: 'stored_size',
        smhRequestId,
        smhUploadId: upload.uploadId,
        declaredSize: DECLARED,
        storedSize,
      },
    ])
    expect(JSON.stringify(lines)).not.toMatch(/\.bin|"ann"/)
  }
})

test('complete: a part changed between a confirm that failed and the next confirm is not stored', {
  timeout: 120_000,
}, async () => {
  const harness = await start()
  for (let run = 0; run < TRIES; run += 1) {
    const upload = await harness.uploadParts(`${run}.bin`, [someBytes(DECLARED)])
    harness.emulator.controls.clearCalls()
    harness.emulator.controls.force('confirm', {
      status: 500,
      until: () => harness.putPart(upload, 1, someBytes(realSize(run))),
    })
    const [status, code] = expected(run)
    await expectProblem(await harness.complete(upload), status, code)
    expect(harness.smhCalls('confirm')).toHaveLength(1)
    expect(harness.smhCalls('cancel')).toHaveLength(status === 413 ? 1 : 0)
  }
  expect(harness.emulator.controls.files()).toEqual([])
})

test('complete: a lost response to a confirm does not hide a wrong size', async () => {
  const harness = await start()
  const upload = await harness.uploadParts('a.bin', [someBytes(DECLARED)])
  harness.emulator.controls.force('confirm', {
    drop: 'after',
    until: () => harness.putPart(upload, 1, someBytes(DECLARED + 1)),
  })
  await expectProblem(await harness.complete(upload), 422, 'size_mismatch')
  expect(await linesOf(harness, 'stored_size')).toMatchObject([
    { level: 'error', smhUploadId: upload.uploadId, storedSize: DECLARED + 1 },
  ])
})

test('complete: a repeat reports the wrong size again, and that another upload may have replaced the file', async () => {
  const harness = await start()
  const upload = await harness.uploadParts('a.bin', [someBytes(DECLARED)])
  harness.emulator.controls.force('confirm', {
    until: () => harness.putPart(upload, 1, someBytes(LIMIT + 1)),
  })
  await expectProblem(await harness.complete(upload), 413, 'file_too_large')
  const problem = await expectProblem(await harness.complete(upload), 413, 'file_too_large')
  expect(problem.detail).toBe(
    'The stored file has 2001 bytes, but 1000 were declared. Another upload with the same name may have replaced the file.',
  )
  const lines = await linesOf(harness, 'stored_size')
  expect(lines.map(({ level }) => level)).toEqual(['error', 'warn'])
  expect(lines[1]?.smhRequestId).toMatch(/^\w+$/)
  expect(JSON.stringify(lines)).not.toMatch(/a\.bin|"ann"/)
})
