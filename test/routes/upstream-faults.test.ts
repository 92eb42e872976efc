import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/emulator/faults.ts'
import type { RouteName } from '../../src/emulator/route-names.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { type Bench, type Credentials, startBench } from '../support/gateway.ts'
import { onWorkers } from '../support/launch.ts'
import { expectProblem } from '../support/problems.ts'

interface Operation {
  /** The call to SMH that the fault hits. */
  route: RouteName
  /** What a call is answered with when all is well. */
  success: number
  /** Whether a call that may have had its effect can be made again. */
  repeatable: boolean
  call(bench: Bench, upload: Credentials): Promise<Response>
}

const operations: Record<string, Operation> = {
  beginUpload: {
    route: 'begin-multipart',
    success: 201,
    repeatable: false,
    call: (bench) => bench.request('POST', '/v1/uploads', { body: { path: 'b', size: 3 } }),
  },
  getUpload: {
    route: 'status',
    success: 200,
    repeatable: true,
    call: (bench, { confirmKey }) => bench.request('GET', `/v1/uploads/${confirmKey}`),
  },
  renewUpload: {
    route: 'renew',
    success: 200,
    repeatable: true,
    call: (bench, { confirmKey }) => bench.request('POST', `/v1/uploads/${confirmKey}/renew`),
  },
  completeUpload: {
    route: 'confirm',
    success: 200,
    // Not as such: the status is asked for in between.
    repeatable: true,
    call: (bench, upload) => bench.complete(upload),
  },
  abortUpload: {
    route: 'cancel',
    success: 204,
    repeatable: true,
    call: (bench, { confirmKey }) => bench.request('DELETE', `/v1/uploads/${confirmKey}`),
  },
}

/** An upload that could be completed, in a folder that exists. */
async function startUpload(environment: Record<string, string> = {}) {
  const bench = await startBench({ environment: { UPLOAD_PATH_PREFIX: '/', ...environment } })
  const upload = await bench.uploadParts('a', [new Uint8Array(3)])
  bench.emulator.controls.clearCalls()
  return { bench, upload }
}

const always = { times: Number.POSITIVE_INFINITY }
const html = { contentType: 'text/html', body: '<html>Bad gateway at 10.0.0.7</html>' }
const elsewhere = { status: 302, headers: { location: '/api/v1/usage/smh0emulated' }, body: '' }

const once: [what: string, fault: Fault, evenBegin: boolean][] = [
  ['dropped before', { drop: 'before' }, false],
  ['dropped after', { drop: 'after' }, false],
  ['500', { status: 500 }, false],
  ['503', { status: 503 }, false],
  ['429', { status: 429, code: 'RateLimitExceeded' }, true],
  ['LibraryInitializing', { status: 403, code: 'LibraryInitializing' }, true],
  ['PathConflict', { status: 409, code: 'PathConflict' }, true],
]

const forEver: [what: string, fault: Fault, status: number, code: ErrorCode][] = [
  ['dropped before', { drop: 'before' }, 503, 'upstream_unavailable'],
  ['dropped after', { drop: 'after' }, 503, 'upstream_unavailable'],
  ['429', { status: 429, code: 'RateLimitExceeded' }, 503, 'upstream_unavailable'],
  ['503', { status: 503, code: 'ServerOverloaded' }, 503, 'upstream_unavailable'],
  ['503 of a proxy', { status: 503, ...html }, 503, 'upstream_unavailable'],
  ['500', { status: 500 }, 502, 'upstream_error'],
  ['502 of a proxy', { status: 502, ...html }, 502, 'upstream_error'],
  ['504 of a proxy', { status: 504, ...html }, 504, 'upstream_timeout'],
  ['408', { status: 408, code: 'ReadRequestTimeout' }, 504, 'upstream_timeout'],
  ['a redirect', elsewhere, 502, 'upstream_error'],
  ['401', { status: 401, code: 'Unheard' }, 502, 'upstream_error'],
]

const unusable: [what: string, fault: Fault][] = [
  ['HTML', { status: 200, ...html }],
  ['nothing', { status: 200, body: '' }],
  ['torn JSON', { status: 200, body: '{"domain":"x","path":"/' }],
  ['null', { status: 200, body: 'null' }],
  ['a list', { status: 200, body: '[]' }],
  ['wrong types', { status: 200, body: '{"confirmKey":5,"confirmed":"yes","path":7,"name":{}}' }],
]

/** A confirm that was lost on its way back is settled by the status alone. */
const settledAtOnce = (route: RouteName, fault: Fault) =>
  route === 'confirm' && fault.drop === 'after'

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

describe('every operation', { timeout: 30_000 }, () => {
  test('meets a fault that passes', () =>
    onEach(once, async (name, { route, success, repeatable, call }, [what, fault, evenBegin]) => {
      const { bench, upload } = await startUpload()
      bench.emulator.controls.force(route, fault)
      const { status } = await call(bench, upload)
      const survives = repeatable || evenBegin
      const refused = fault.status === 500 ? 502 : 503
      const calls = survives && !settledAtOnce(route, fault) ? 2 : 1
      const found = [name, what, status, bench.smhCalls(route).length]
      expect(found).toEqual([name, what, survives ? success : refused, calls])
    }))

  test('meets a fault that stays', () =>
    onEach(forEver, async (name, { route, success, call }, [what, fault, status, code]) => {
      const { bench, upload } = await startUpload()
      bench.emulator.controls.force(route, { ...always, ...fault })
      const response = await call(bench, upload)
      const ours = settledAtOnce(route, fault) ? success : status
      expect([name, what, response.status]).toEqual([name, what, ours])
      if (ours === success) return
      expect([name, what, response.headers.get('retry-after')]).toEqual([
        name,
        what,
        status === 503 ? expect.stringMatching(/^[1-9]\d*$/) : null,
      ])
      const problem = await expectProblem(response, status, code)
      expect(JSON.stringify(problem)).not.toMatch(/html|10\.0\.0\.7|Unheard|RateLimit|Overloaded/i)
      // However it is asked, SMH is not hammered, and nobody is led elsewhere.
      expect([name, what, bench.smhCalls(route).length <= 6]).toEqual([name, what, true])
      expect(bench.smhCalls('library-usage')).toEqual([])
    }))

  test('meets an answer that cannot be used', () =>
    onEach(unusable, async (name, { route, call }, [what, fault]) => {
      // All there is to an answer to cancel is that it is no refusal.
      if (route === 'cancel') return
      const { bench, upload } = await startUpload()
      bench.emulator.controls.force(route, { ...always, ...fault })
      const response = await call(bench, upload)
      expect([name, what, response.status]).toEqual([name, what, 502])
      await expectProblem(response, 502, 'upstream_error')
      expect(bench.emulator.controls.files()).toEqual([])
    }))

  test('meets an answer that is good and takes more than 4 MiB', () =>
    onEach([''], async (name, { route, call }) => {
      if (route === 'cancel') return
      const { bench, upload } = await startUpload()
      bench.emulator.controls.addExtraReplyFields({ more: 'm'.repeat(4 * 1024 * 1024) })
      const response = await call(bench, upload)
      expect([name, response.status]).toEqual([name, 502])
      await expectProblem(response, 502, 'upstream_error')
      expect((await bench.records()).at(-1)).toMatchObject({ reason: 'too_large' })
    }))

  test('meets a refusal that belongs to another operation', () =>
    onEach(
      [
        { status: 451, code: 'SensitiveContentRecognized' },
        { status: 400, code: 'QuotaLimitReached' },
        { status: 400, code: 'BadCrc64' },
        { status: 404, code: 'DirectoryNotFound' },
      ],
      async (name, { route, call }, fault) => {
        const { bench, upload } = await startUpload()
        bench.emulator.controls.force(route, { ...always, ...fault })
        // Whatever it is, the published document knows it: see `request`.
        const response = await call(bench, upload)
        const own = ['beginUpload', 'completeUpload'].includes(name)
        if (own) return
        expect([name, fault.code, response.status]).toEqual([name, fault.code, 502])
        await expectProblem(response, 502, 'upstream_error')
        const told = { reason: 'unexpected', smhStatus: fault.status, smhCode: fault.code }
        expect((await bench.records()).at(-1)).toMatchObject(told)
      },
    ))

  test('finds that nobody listens', () =>
    onEach([''], async (_, { call }) => {
      const { bench, upload } = await startUpload()
      await bench.emulator.close()
      const response = await call(bench, upload)
      expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
      await expectProblem(response, 503, 'upstream_unavailable')
    }))
})

describe('time', { timeout: 30_000 }, () => {
  test('nobody waits for ever: not for one answer, and not for several slow ones', async () => {
    const impatient = { UPSTREAM_TIMEOUT_SECONDS: '1' }
    const slow = async () => {
      const bench = await startBench({ environment: impatient })
      // None takes a second, which is allowed; together they take more than three.
      for (const [route, delayMs] of [
        ['mint-token', 900],
        ['begin-multipart', 900],
        ['create-directory', 600],
        ['begin-multipart', 700],
      ] as const) {
        bench.emulator.controls.force(route, { delayMs })
      }
      const response = await bench.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 } })
      await expectProblem(response, 504, 'upstream_timeout')
    }
    const held = onEach([''], async (_, { route, call }) => {
      const { bench, upload } = await startUpload(impatient)
      const first = route === 'confirm' ? 'status' : route
      bench.emulator.controls.force(first, { delayMs: 3_600_000, ...always })
      await expectProblem(await call(bench, upload), 504, 'upstream_timeout')
      expect(bench.smhCalls(first)).toHaveLength(1)
    })
    await Promise.all([held, slow()])
  })

  test.each([
    ['30', '30'],
    ['86400', '120'],
    ['Wed, 21 Oct 2026 07:28:00 GMT', '2'],
  ])('Retry-After %s of SMH is handed on as %s', async (said, ours) => {
    const { bench } = await startUpload()
    const fault = { status: 429, code: 'RateLimitExceeded', headers: { 'retry-after': said } }
    bench.emulator.controls.force('begin-multipart', { ...fault, ...always })
    const response = await operations.beginUpload!.call(bench, {} as Credentials)
    expect(response.headers.get('retry-after')).toBe(ours)
    await expectProblem(response, 503, 'upstream_unavailable')
  })

  test('a long Retry-After of SMH is not waited for', async () => {
    const { bench } = await startUpload()
    const fault = { status: 429, code: 'RateLimitExceeded', headers: { 'retry-after': '30' } }
    bench.emulator.controls.force('begin-multipart', fault)
    const response = await operations.beginUpload!.call(bench, {} as Credentials)
    await expectProblem(response, 503, 'upstream_unavailable')
    expect(bench.smhCalls('begin-multipart')).toHaveLength(1)
  })

  test('a caller who leaves takes the call to SMH along, and nobody is alarmed', async () => {
    const { bench, upload } = await startUpload()
    const leaving = new AbortController()
    const match = () => {
      leaving.abort()
      return true
    }
    bench.emulator.controls.force('status', { delayMs: 3_600_000, match })
    const path = `/v1/uploads/${upload.confirmKey}`
    await expect(bench.request('GET', path, { signal: leaving.signal })).rejects.toThrow()
    // On Workers the platform ends the request with its caller, before a line could be written.
    if (onWorkers) return
    const line = { event: 'request', operation: 'getUpload', level: 'info', reason: 'caller_left' }
    const records = expect.poll(() => bench.records(), { timeout: 5_000 })
    await records.toContainEqual(expect.objectContaining(line))
  })
})

test.each([
  ['GET', '', 'status'],
  ['POST', '/renew', 'renew'],
  ['DELETE', '', 'cancel'],
] as const)('%s%s is told so when others keep the path busy', async (method, suffix, route) => {
  const bench = await startBench()
  const { confirmKey } = await bench.begin({ path: 'a.txt', size: 5 })
  bench.emulator.controls.force(route, { status: 409, code: 'PathConflict', times: 3 })
  const response = await bench.request(method, `/v1/uploads/${confirmKey}${suffix}`)
  await expectProblem(response, 409, 'name_conflict')
})
