import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/emulator/faults.ts'
import type { RouteName } from '../../src/emulator/route-names.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { type Bench, type Credentials, startBench } from '../support/gateway.ts'
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
  ['dropped before', { drop: 'before' }, 502, 'upstream_error'],
  ['dropped after', { drop: 'after' }, 502, 'upstream_error'],
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
  ['no end', { status: 200, body: `{"more":"${'m'.repeat(4 * 1024 * 1024)}"}` }],
]

/** A confirm that was lost on its way back is settled by the status alone. */
const settledAtOnce = (route: RouteName, fault: Fault) =>
  route === 'confirm' && fault.drop === 'after'

// The faults of one table run side by side: most of their time is the wait between two tries.
describe.each(Object.entries(operations))('%s', (_, { route, success, repeatable, call }) => {
  test('a fault that passes', async () => {
    const outcomes = once.map(async ([what, fault, evenBegin]) => {
      const { bench, upload } = await startUpload()
      bench.emulator.controls.force(route, fault)
      const { status } = await call(bench, upload)
      const survives = repeatable || evenBegin
      const calls = survives && !settledAtOnce(route, fault) ? 2 : 1
      const refused = fault.status === 503 ? 503 : 502
      expect([what, status, bench.smhCalls(route).length]).toEqual([
        what,
        survives ? success : refused,
        calls,
      ])
    })
    await Promise.all(outcomes)
  })

  test('a fault that stays', async () => {
    const outcomes = forEver.map(async ([what, fault, status, code]) => {
      const { bench, upload } = await startUpload()
      bench.emulator.controls.force(route, { ...always, ...fault })
      const response = await call(bench, upload)
      if (settledAtOnce(route, fault)) {
        expect([what, response.status]).toEqual([what, success])
        return
      }
      expect([what, response.headers.get('retry-after')]).toEqual([
        what,
        status === 503 ? expect.stringMatching(/^[1-9]\d*$/) : null,
      ])
      const problem = await expectProblem(response, status, code)
      expect(JSON.stringify(problem)).not.toMatch(/html|10\.0\.0\.7|Unheard|RateLimit|Overloaded/i)
      // However it is asked, SMH is not hammered, and nobody is led elsewhere.
      expect([what, bench.smhCalls(route).length <= 6]).toEqual([what, true])
      expect(bench.smhCalls('library-usage')).toEqual([])
    })
    await Promise.all(outcomes)
  })

  test('nobody listens', async () => {
    const { bench, upload } = await startUpload()
    await bench.emulator.close()
    const response = await call(bench, upload)
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expectProblem(response, 503, 'upstream_unavailable')
  })

  // All there is to an answer to cancel is that it is no refusal.
  if (route === 'cancel') return
  test('an answer that cannot be used', async () => {
    const outcomes = unusable.map(async ([what, fault]) => {
      const { bench, upload } = await startUpload()
      bench.emulator.controls.force(route, { ...always, ...fault })
      const response = await call(bench, upload)
      expect([what, response.status]).toEqual([what, 502])
      await expectProblem(response, 502, 'upstream_error')
      expect(bench.emulator.controls.files()).toEqual([])
    })
    await Promise.all(outcomes)
  })
})

describe('time', () => {
  test('no operation waits for ever', async () => {
    const outcomes = Object.values(operations).map(async ({ route, call }) => {
      const { bench, upload } = await startUpload({ UPSTREAM_TIMEOUT_SECONDS: '1' })
      const held = route === 'confirm' ? 'status' : route
      bench.emulator.controls.force(held, { delayMs: 3_600_000, ...always })
      await expectProblem(await call(bench, upload), 504, 'upstream_timeout')
      expect(bench.smhCalls(held)).toHaveLength(1)
    })
    await Promise.all(outcomes)
  })

  test('several slow answers together may not take longer either', async () => {
    const bench = await startBench({ environment: { UPSTREAM_TIMEOUT_SECONDS: '1' } })
    for (const route of ['mint-token', 'begin-multipart', 'create-directory'] as const) {
      bench.emulator.controls.force(route, { delayMs: 900, ...always })
    }
    const response = await bench.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 } })
    await expectProblem(response, 504, 'upstream_timeout')
    expect(bench.emulator.controls.openTasks()).toEqual([])
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
    const line = { event: 'request', operation: 'getUpload', level: 'info', reason: 'caller_left' }
    await expect.poll(() => bench.logged).toContainEqual(expect.objectContaining(line))
  })
})
