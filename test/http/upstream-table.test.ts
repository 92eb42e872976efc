import { expect, test } from 'vitest'
import type { ErrorCode } from '../../src/gateway/errors.ts'
import { REFUSED_MS } from '../../src/gateway/smh/access-tokens.ts'
import { type Harness, startHarness } from '../support/harness.ts'
import { type LaunchedGateway, onBun } from '../support/launch.ts'
import { expectProblem } from '../support/problems.ts'
import {
  type DocumentName,
  documents,
  type Row,
  readTable,
  startColumn,
  steps,
} from '../support/upstream-steps.ts'

/*
 * What goes wrong at which step, what the caller is answered, and how many calls that step gets:
 * `answer·calls`. A call that SMH may have acted on is repeated only where that does no harm; a begin,
 * first or again, is not. A confirm is settled by asking for the status. `-` is not tried: a confirm
 * has a minute. A folder that SMH has made without a word, and then does not find, is `parent_not_found`.
 */

/** The fault stays. */
const forEver = readTable(`
                    mint    begin   folder  again   status  renew   confirm cancel  file
refused             503·0   503·0   503·0   503·0   503·0   503·0   503·0   503·0   503·0
reset before        503·3   503·1   503·3   503·1   503·3   503·3   503·2   503·3   503·3
reset after         503·3   503·1   503·3   503·1   503·3   503·3   ok·1    503·3   503·3
cut midway          503·3   503·1   503·3   503·1   503·3   503·3   ok·1    ok·1    503·3
slow headers        504·1   504·1   504·1   504·1   504·1   504·1   -       504·1   504·1
slow body           504·1   504·1   504·1   504·1   504·1   504·1   -       ok·1    504·1
408                 504·3   504·1   504·3   504·1   504·3   504·3   504·1   504·3   504·3
408, come later     504·1   504·1   504·1   504·1   504·1   504·1   504·1   504·1   504·1
429                 503·3   503·3   503·3   503·3   503·3   503·3   503·3   503·3   503·3
429, come later     503·1   503·1   503·1   503·1   503·1   503·1   503·1   503·1   503·1
500                 502·3   502·1   502·3   502·1   502·3   502·3   502·2   502·3   502·3
500, come later     502·1   502·1   502·1   502·1   502·1   502·1   502·1   502·1   502·1
503                 503·3   503·1   503·3   503·1   503·3   503·3   503·2   503·3   503·3
503, come later     503·1   503·1   503·1   503·1   503·1   503·1   503·1   503·1   503·1
502 of a proxy      502·3   502·1   502·3   502·1   502·3   502·3   502·2   502·3   502·3
504 of a proxy      504·3   504·1   504·3   504·1   504·3   504·3   504·1   504·3   504·3
redirect            502·1   502·1   502·1   502·1   502·1   502·1   502·2   502·1   502·1
unheard refusal     502·1   502·1   502·1   502·1   502·1   502·1   502·2   502·1   502·1
token dead          502·1   502·2   502·2   502·2   502·2   502·2   502·2   502·2   502·2
200 HTML            502·1   502·1   502·1   502·1   502·1   502·1   502·2   502·1   502·1
200 empty           502·1   502·1   404·1   502·1   502·1   502·1   502·2   ok·1    502·1
200 torn JSON       502·1   502·1   502·1   502·1   502·1   502·1   502·2   502·1   502·1
200 wrong types     502·1   502·1   502·1   502·1   502·1   502·1   502·2   502·1   502·1
200 error body      502·1   502·1   502·1   502·1   502·1   502·1   502·2   502·1   502·1
200 of 10 MB        502·1   502·1   502·1   502·1   502·1   502·1   502·2   502·1   502·1
`)

/** The fault hits once. */
const once = readTable(`
                    mint    begin   folder  again   status  renew   confirm cancel  file
reset before        ok·2    503·1   ok·2    503·1   ok·2    ok·2    ok·2    ok·2    ok·2
reset after         ok·2    503·1   ok·2    503·1   ok·2    ok·2    ok·1    ok·2    ok·2
cut midway          ok·2    503·1   ok·2    503·1   ok·2    ok·2    ok·1    ok·1    ok·2
408                 ok·2    504·1   ok·2    504·1   ok·2    ok·2    504·1   ok·2    ok·2
429                 ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2
500                 ok·2    502·1   ok·2    502·1   ok·2    ok·2    ok·2    ok·2    ok·2
503                 ok·2    503·1   ok·2    503·1   ok·2    ok·2    ok·2    ok·2    ok·2
502 of a proxy      ok·2    502·1   ok·2    502·1   ok·2    ok·2    ok·2    ok·2    ok·2
504 of a proxy      ok·2    504·1   ok·2    504·1   ok·2    ok·2    504·1   ok·2    ok·2
initializing        ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2
path conflict       ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2
token dead          502·1   ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2    ok·2
200 torn JSON       502·1   502·1   502·1   502·1   502·1   502·1   ok·2    502·1   502·1
`)

const html = { contentType: 'text/html', body: '<html>Bad gateway at 10.0.0.7</html>' }
const later = { headers: { 'retry-after': '30' } }
const token = { status: 403, code: 'InvalidAccessToken' }
const anHour = 3_600_000

const rows: Record<string, Row> = {
  refused: { fault: 'refused' },
  'reset before': { fault: { drop: 'before' } },
  'reset after': { fault: { drop: 'after' } },
  'cut midway': { fault: { drop: 'midway' } },
  'slow headers': { fault: { delayMs: anHour }, slow: true },
  'slow body': { fault: { bodyDelayMs: anHour }, slow: true },
  '408': { fault: { status: 408, code: 'ReadRequestTimeout' } },
  '408, come later': { fault: { status: 408, ...later } },
  '429': { fault: { status: 429, code: 'RateLimitExceeded' } },
  '429, come later': { fault: { status: 429, ...later }, retryAfter: '30' },
  '500': { fault: { status: 500 } },
  '500, come later': { fault: { status: 500, ...later } },
  '503': { fault: { status: 503, code: 'ServerOverloaded' } },
  '503, come later': { fault: { status: 503, ...later }, retryAfter: '30' },
  '502 of a proxy': { fault: { status: 502, ...html } },
  '504 of a proxy': { fault: { status: 504, ...html } },
  redirect: {
    fault: { status: 302, headers: { location: '/api/v1/usage/smh0emulated' }, body: '' },
  },
  'unheard refusal': { fault: { status: 401, code: 'Unheard' } },
  'token dead': { fault: token },
  initializing: { fault: { status: 403, code: 'LibraryInitializing' } },
  'path conflict': { fault: { status: 409, code: 'PathConflict' } },
  '200 HTML': { fault: { status: 200, ...html } },
  '200 empty': { fault: { status: 200, body: '' } },
  '200 torn JSON': { fault: { status: 200, body: '{"domain":"x","path":"/' } },
  '200 wrong types': {
    fault: {
      status: 200,
      body: '{"accessToken":7,"keys":7,"issuer":7,"confirmKey":5,"confirmed":"yes","path":7,"name":{}}',
    },
  },
  '200 error body': {
    fault: { status: 200, body: '{"status":500,"code":"InternalServerError","message":"Unheard"}' },
  },
  '200 of 10 MB': { fault: { status: 200, body: `{"more":"${'m'.repeat(10_000_000)}"}` } },
}

const codes: Record<number, ErrorCode> = {
  404: 'parent_not_found',
  502: 'upstream_error',
  503: 'upstream_unavailable',
  504: 'upstream_timeout',
}

/** Makes the request, and checks all that is alike in every cell. */
async function answerOf(
  name: string,
  row: Row,
  request: (on: LaunchedGateway) => Promise<Response>,
  { harness, hasty }: Column,
): Promise<string> {
  const startedAt = performance.now()
  const response = await request(row.slow ? hasty : harness.gateway)
  const seconds = (performance.now() - startedAt) / 1000
  // The promise is 3 s and 30 s; the rest is for a busy machine.
  expect(seconds, name).toBeLessThan(row.slow ? 4 : 31)
  expect(harness.smhCalls('library-usage'), name).toEqual([])
  if (response.status < 300) return 'ok'
  const problem = await expectProblem(response, response.status, codes[response.status]!)
  expect(JSON.stringify(problem), name).not.toMatch(/html|10\.0\.0\.7|Unheard|RateLimit|Overload/i)
  const retryAfter = response.headers.get('retry-after')
  const wanted = row.retryAfter ?? expect.stringMatching(/^[1-9]\d?$/)
  expect(retryAfter, name).toEqual(response.status === 503 ? wanted : null)
  return String(response.status)
}

type Column = Awaited<ReturnType<typeof startColumn>>

/** The result of one cell. Afterwards the same request succeeds. */
async function runCell(rowName: string, name: string, column: Column, times: number) {
  const { harness, hasty } = column
  const { controls } = harness.emulator
  const { route, before, match, arrange } = steps[name]!
  const row = rows[rowName]!
  const cell = `${rowName} at ${name}`
  // It has a token of its own, which is not what is slow here.
  if (row.slow && name !== 'mint') await harness.begin({ path: 'warm', size: 3 }, { on: hasty })
  // The retries of earlier rows come back.
  harness.advance(10_000)
  const request = await arrange(harness)
  controls.clearCalls()
  if (row.fault !== 'refused') {
    controls.force(route, { ...row.fault, times, ...(match && { match: match(harness) }) })
  } else if (before) controls.force(before, { match: refusesFromNowOn(harness) })
  else await controls.refuseConnections(true)
  const answer = await answerOf(cell, row, request, column)
  // The first of two begins is another step.
  const calls = harness.smhCalls(route).length - (name === 'again' ? 1 : 0)

  controls.clearFaults()
  await controls.refuseConnections(false)
  // A refused secret stands for a while.
  harness.advance(REFUSED_MS)
  expect((await request(harness.gateway)).status, `after ${cell}`).toBeLessThan(300)
  return `${answer}·${calls}`
}

/** Lets the call through that it looks at, and none after it. */
function refusesFromNowOn({ emulator }: Harness): () => boolean {
  return () => {
    void emulator.controls.refuseConnections(true)
    return false
  }
}

/** The table as it is found: row after row, all cells of one side by side. */
async function found(table: typeof forEver, times: number) {
  const columns = await Promise.all(
    Object.keys(steps).map(async (name) => [name, await startColumn()] as const),
  )
  const all: typeof forEver = {}
  for (const [rowName, wanted] of Object.entries(table)) {
    const cells = columns.map(async ([name, column]) => {
      const tried = wanted[name] !== '-'
      return [name, tried ? await runCell(rowName, name, column, times) : '-'] as const
    })
    all[rowName] = Object.fromEntries(await Promise.all(cells))
  }
  return all
}

/** Without the number of calls in rows where Bun itself repeats calls. */
function comparable(table: typeof forEver): typeof forEver {
  const rowsOf = Object.entries(table).map(([rowName, row]) => {
    const cells = Object.entries(row).map(([name, cell]) => [name, withoutBunsOwn(rowName, cell)])
    return [rowName, Object.fromEntries(cells)]
  })
  return Object.fromEntries(rowsOf)
}

function withoutBunsOwn(rowName: string, cell: string): string {
  return onBun && rowName.startsWith('reset') ? cell.replace(/·\d+$/, '') : cell
}

test('upstream table: each fault at each SMH step, permanent, has the declared result', {
  timeout: 120_000,
}, async () => {
  expect(comparable(await found(forEver, Number.POSITIVE_INFINITY))).toEqual(comparable(forEver))
})

test('upstream table: each fault at each SMH step, once, has the declared result', {
  timeout: 120_000,
}, async () => {
  expect(comparable(await found(once, 1))).toEqual(comparable(once))
})

test('upstream table: each fault of the issuer returns 503 after one call, and 200 afterwards', {
  timeout: 120_000,
}, async () => {
  const ofIssuer = async (name: DocumentName) => {
    const { variables, user, good } = documents[name]
    const column = await startColumn({ environment: ({ emulator }) => variables(emulator.smhUrl) })
    const { harness } = column
    const { controls } = harness.emulator
    const as = user(harness.emulator.smhUrl)
    const body = JSON.stringify(await good(harness))
    const request = (on: LaunchedGateway) => harness.request('GET', '/v1/uploads/none', { as, on })
    for (const [rowName, row] of Object.entries(rows)) {
      // Longer than the last valid keys serve. Discovery is requested again after a fault.
      harness.advance(25 * anHour)
      harness.issuer.down(true)
      for (const on of [harness.gateway, column.hasty]) await request(on)
      harness.issuer.down(false)
      harness.advance(1_000)
      controls.clearCalls()
      if (row.fault === 'refused') await controls.refuseConnections(true)
      else controls.force('unknown', { body, ...row.fault, times: Number.POSITIVE_INFINITY })
      const cell = `${rowName} at ${name}`
      const answer = await answerOf(cell, { ...row, retryAfter: '5' }, request, column)
      const calls = harness.smhCalls('unknown').length
      const wanted = `503·${row.fault === 'refused' ? 0 : 1}`
      expect([cell, withoutBunsOwn(rowName, `${answer}·${calls}`)]).toEqual([
        cell,
        withoutBunsOwn(rowName, wanted),
      ])

      controls.clearFaults()
      await controls.refuseConnections(false)
      harness.advance(1_000)
      controls.force('unknown', { body })
      const after = await request(harness.gateway)
      await expectProblem(after, 404, 'upload_not_found')
    }
  }
  await Promise.all([ofIssuer('discovery'), ofIssuer('keys')])
})

test.each([
  ['a host name that does not exist', () => 'https://smh.invalid'],
  ['a server without TLS', (url: string) => url.replace('http:', 'https:')],
])(
  'upstream table: the fault %s has the same meaning for SMH, discovery and key set',
  async (_, addressOf) => {
    const refused = async (variables: (smhUrl: string) => Record<string, string>) => {
      const harness = await startHarness({
        environment: ({ emulator }) => variables(addressOf(emulator.smhUrl)),
      })
      const iss = variables(addressOf(harness.emulator.smhUrl)).JWT_ISSUER
      const as = { sub: 'ann', ...(iss !== undefined && { claims: { iss } }) }
      const response = await harness.request('POST', '/v1/uploads', {
        as,
        body: { path: 'a', size: 3 },
      })
      expect(response.headers.get('retry-after')).toMatch(/^[1-9]$/)
      await expectProblem(response, 503, 'upstream_unavailable')
      expect(harness.smhCalls()).toEqual([])
    }
    await Promise.all([
      refused((url) => ({ SMH_ENDPOINT: url })),
      refused((url) => ({ JWT_ISSUER: url })),
      refused((url) => ({ JWT_JWKS_URL: `${url}/keys` })),
    ])
  },
)

test('COS credentials: COS returns 403 after they expire, and renewed credentials store the whole file', async () => {
  const harness = await startHarness()
  const bytes = new Uint8Array(3)
  const upload = await harness.begin({ path: 'a.bin', size: bytes.length })
  harness.emulator.controls.expireCredentials()
  expect((await harness.putPart(upload, 1, bytes)).status).toBe(403)
  const renewed = await harness.request('POST', `/v1/uploads/${upload.confirmKey}/renew`)
  expect((await harness.putPart(await renewed.json(), 1, bytes)).status).toBe(200)
  expect((await harness.complete(upload)).status).toBe(200)
})
