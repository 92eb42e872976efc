import { describe, expect, test } from 'vitest'
import type { RouteName } from '../../src/emulator/route-names.ts'
import { type Credentials, type Harness, startHarness } from '../support/harness.ts'
import { onWorkers } from '../support/launch.ts'
import { expectProblem } from '../support/problems.ts'

interface Operation {
  /** The call to SMH that the fault hits. */
  route: RouteName
  call(harness: Harness, upload: Credentials): Promise<Response>
}

/** The faults themselves, step by step, are in upstream-table.test.ts. */
const operations: Record<string, Operation> = {
  beginUpload: {
    route: 'begin-multipart',
    call: (harness) => harness.request('POST', '/v1/uploads', { body: { path: 'b', size: 3 } }),
  },
  instantUpload: {
    route: 'begin-multipart',
    call: (harness) =>
      harness.request('POST', '/v1/instant-uploads', {
        body: { path: 'b', size: 3, beginningHash: 'a'.repeat(64) },
      }),
  },
  getUpload: {
    route: 'status',
    call: (harness, { confirmKey }) => harness.request('GET', `/v1/uploads/${confirmKey}`),
  },
  renewUpload: {
    route: 'renew',
    call: (harness, { confirmKey }) => harness.request('POST', `/v1/uploads/${confirmKey}/renew`),
  },
  completeUpload: {
    route: 'confirm',
    call: (harness, upload) => harness.complete(upload),
  },
  abortUpload: {
    route: 'cancel',
    call: (harness, { confirmKey }) => harness.request('DELETE', `/v1/uploads/${confirmKey}`),
  },
}

/** An upload that could be completed, in a folder that exists. */
async function startUpload(environment: Record<string, string> = {}) {
  const harness = await startHarness({ environment: { UPLOAD_PATH_PREFIX: '/', ...environment } })
  const upload = await harness.uploadParts('a', [new Uint8Array(3)])
  harness.emulator.controls.clearCalls()
  return { harness, upload }
}

const always = { times: Number.POSITIVE_INFINITY }
// Most of the time goes into waits between two tries, so all of a table runs side by side.
function onEach<Row>(
  table: readonly Row[],
  examine: (name: string, operation: Operation, row: Row) => Promise<void>,
): Promise<unknown> {
  const pairs = Object.entries(operations).flatMap(([name, operation]) =>
    table.map((row) => examine(name, operation, row)),
  )
  return Promise.all(pairs)
}

describe('upstream faults: every operation', { timeout: 30_000 }, () => {
  test('refuses a valid response above 4 MiB', () =>
    onEach([''], async (name, { route, call }) => {
      if (route === 'cancel') return
      const { harness, upload } = await startUpload()
      harness.emulator.controls.addExtraReplyFields({ more: 'm'.repeat(4 * 1024 * 1024) })
      const response = await call(harness, upload)
      expect([name, response.status]).toEqual([name, 502])
      await expectProblem(response, 502, 'upstream_error')
      expect((await harness.records()).at(-1)).toMatchObject({ reason: 'too_large' })
    }))

  test('returns 502 for an SMH error that belongs to another operation', () =>
    onEach(
      [
        { status: 451, code: 'SensitiveContentRecognized' },
        { status: 400, code: 'QuotaLimitReached' },
        { status: 400, code: 'BadCrc64' },
        { status: 404, code: 'DirectoryNotFound' },
      ],
      async (name, { route, call }, fault) => {
        const { harness, upload } = await startUpload()
        harness.emulator.controls.force(route, { ...always, ...fault })
        // Whatever it is, the published document knows it: see `request`.
        const response = await call(harness, upload)
        const own = ['beginUpload', 'instantUpload', 'completeUpload'].includes(name)
        if (own) return
        expect([name, fault.code, response.status]).toEqual([name, fault.code, 502])
        await expectProblem(response, 502, 'upstream_error')
        const expected = { reason: 'unexpected', smhStatus: fault.status, smhCode: fault.code }
        expect((await harness.records()).at(-1)).toMatchObject(expected)
      },
    ))
})

describe('upstream faults: time', { timeout: 30_000 }, () => {
  test('every request ends in time, after one silent call or several slow calls', async () => {
    const impatient = { UPSTREAM_TIMEOUT_SECONDS: '1' }
    const slow = async () => {
      const harness = await startHarness({ environment: impatient })
      // None takes a second, which is allowed; together they take more than three.
      for (const [route, delayMs] of [
        ['mint-token', 900],
        ['begin-multipart', 900],
        ['create-directory', 600],
        ['begin-multipart', 700],
      ] as const) {
        harness.emulator.controls.force(route, { delayMs })
      }
      const response = await harness.request('POST', '/v1/uploads', {
        body: { path: 'a', size: 3 },
      })
      await expectProblem(response, 504, 'upstream_timeout')
    }
    const held = onEach([''], async (_, { route, call }) => {
      const { harness, upload } = await startUpload(impatient)
      const first = route === 'confirm' ? 'status' : route
      harness.emulator.controls.force(first, { delayMs: 3_600_000, ...always })
      await expectProblem(await call(harness, upload), 504, 'upstream_timeout')
      expect(harness.smhCalls(first)).toHaveLength(1)
    })
    await Promise.all([held, slow()])
  })

  test.each([
    ['30', '30'],
    ['86400', '120'],
    ['Wed, 21 Oct 2026 07:28:00 GMT', '2'],
  ])('Retry-After %s from SMH is passed on as %s', async (said, ours) => {
    const { harness } = await startUpload()
    const fault = { status: 429, code: 'RateLimitExceeded', headers: { 'retry-after': said } }
    harness.emulator.controls.force('begin-multipart', { ...fault, ...always })
    const response = await operations.beginUpload!.call(harness, {} as Credentials)
    expect(response.headers.get('retry-after')).toBe(ours)
    await expectProblem(response, 503, 'upstream_unavailable')
  })

  test('a long Retry-After from SMH is not waited for', async () => {
    const { harness } = await startUpload()
    const fault = { status: 429, code: 'RateLimitExceeded', headers: { 'retry-after': '30' } }
    harness.emulator.controls.force('begin-multipart', fault)
    const response = await operations.beginUpload!.call(harness, {} as Credentials)
    await expectProblem(response, 503, 'upstream_unavailable')
    expect(harness.smhCalls('begin-multipart')).toHaveLength(1)
  })

  test('a client that disconnects cancels the call to SMH, and the log has no error', async () => {
    const { harness, upload } = await startUpload()
    const leaving = new AbortController()
    const match = () => {
      leaving.abort()
      return true
    }
    harness.emulator.controls.force('status', { delayMs: 3_600_000, match })
    const path = `/v1/uploads/${upload.confirmKey}`
    await expect(harness.request('GET', path, { signal: leaving.signal })).rejects.toThrow()
    // On Workers the platform ends the request with its caller, before a line could be written.
    if (onWorkers) return
    const line = {
      event: 'request',
      operation: 'getUpload',
      level: 'info',
      reason: 'client_disconnected',
    }
    const records = expect.poll(() => harness.records(), { timeout: 5_000 })
    await records.toContainEqual(expect.objectContaining(line))
  })
})

test.each([
  ['GET', '', 'status'],
  ['POST', '/renew', 'renew'],
  ['DELETE', '', 'cancel'],
] as const)(
  'upstream faults: %s%s returns name_conflict when a path stays busy',
  async (method, suffix, route) => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
    harness.emulator.controls.force(route, { status: 409, code: 'PathConflict', times: 3 })
    const response = await harness.request(method, `/v1/uploads/${confirmKey}${suffix}`)
    await expectProblem(response, 409, 'name_conflict')
  },
)
