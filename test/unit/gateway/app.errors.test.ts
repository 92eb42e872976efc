import { expect, onTestFinished, test } from 'vitest'
import { startDemoIssuer } from '../../../src/demo/demo-users.ts'
import { createApp } from '../../../src/gateway/app.ts'
import { parseConfig } from '../../../src/gateway/config/parse.ts'
import { type LogLevel, type LogRecord, noMetrics, type Ports } from '../../../src/gateway/ports.ts'
import { createUndiciClient } from '../../../src/gateway/runtimes/node/undici-client.ts'
import { createSingleFlight } from '../../../src/gateway/runtimes/shared/single-flight.ts'
import { emptyLedger } from '../../support/empty-ledger.ts'
import { expectProblem } from '../../support/problems.ts'

/** An app with one part that fails as no part should. */
async function startBroken(broken: Partial<Ports>) {
  const issuer = await startDemoIssuer()
  const httpClient = createUndiciClient()
  onTestFinished(async () => {
    await Promise.all([httpClient.close(), issuer.close()])
  })
  const logged: (LogRecord & { level: LogLevel })[] = []
  const app = createApp({
    config: parseConfig({
      SMH_LIBRARY_ID: 'smh0demo',
      SMH_LIBRARY_SECRET: 's3cret',
      JWT_ISSUER: issuer.issuer,
      JWT_AUDIENCE: issuer.audience,
      UPLOAD_PATH_PREFIX: '/',
    }),
    clock: Date.now,
    monotonicClock: () => performance.now(),
    log: (level, record) => logged.push({ level, ...record }),
    httpClient,
    singleFlight: createSingleFlight(),
    ledger: emptyLedger(),
    otherCallsRateLimiter: { consume: async () => 0 },
    metrics: noMetrics,
    readDocsAsset: async () => undefined,
    ...broken,
  })
  const authorization = `Bearer ${await issuer.token({ sub: 'ann' })}`
  const begin = () =>
    app.fetch(
      new Request('http://gateway/v1/uploads', {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: '{"path":"a.txt","size":5}',
      }),
    )
  return { app, logged, begin }
}

test.each([
  ['an error', () => Promise.reject(new TypeError('canary at /etc/canary'))],
  [
    'an error with a status',
    () => Promise.reject(Object.assign(new Error('canary'), { status: 403 })),
  ],
  ['an error with a cause', () => Promise.reject(new Error('x', { cause: 'canary' }))],
])('app: %s that is unexpected returns 500 without details', async (_, fail) => {
  const { begin, logged } = await startBroken({ ledger: { ...emptyLedger(), begin: fail } })
  const response = await begin()
  expect(JSON.stringify([...response.headers])).not.toContain('canary')
  const problem = await expectProblem(response, 500, 'internal_error')
  expect(Object.keys(problem).sort()).toEqual([
    'code',
    'detail',
    'requestId',
    'status',
    'title',
    'type',
  ])
  expect(JSON.stringify(problem)).not.toMatch(/canary|TypeError|\bat /)

  expect(logged.at(-1)).toMatchObject({
    level: 'error',
    event: 'request',
    operation: 'beginUpload',
    status: 500,
    code: 'internal_error',
    errorName: expect.stringMatching(/Error$/),
    stack: expect.arrayContaining([expect.stringMatching(/^at /)]),
  })
  expect(JSON.stringify(logged)).not.toContain('canary')
})

test('app: an unexpected error outside /v1 returns 500 without details', async () => {
  const readDocsAsset = () => Promise.reject(new Error('canary'))
  const { app } = await startBroken({ readDocsAsset })
  const response = await app.fetch(new Request('http://gateway/docs/reference.css'))
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  await expectProblem(response, 500, 'internal_error')
})
