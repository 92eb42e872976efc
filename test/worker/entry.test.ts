import { describe, expect, onTestFinished, test } from 'vitest'
import { startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { startEmulator } from '../../src/emulator/start.ts'
import { MAX_FLIGHTS } from '../../src/gateway/runtimes/shared/single-flight.ts'
import { startDeployedWorker } from '../support/deployed-worker.ts'
import { expectProblem } from '../support/problems.ts'

/** The Worker as it would be deployed, with the real parts around it. */
async function startWorker(
  environment: Record<string, unknown> = {},
  bindings: { hasLedger?: boolean; beginLimit?: number } = {},
) {
  const [emulator, issuer] = await Promise.all([startEmulator(), startDemoIssuer()])
  onTestFinished(async () => {
    await Promise.all([emulator.close(), issuer.close()])
  })
  const worker = await startDeployedWorker(
    { ...environmentOf({ emulator, issuer }), ...environment },
    bindings,
  )
  const token = await issuer.token({ sub: 'ann' })
  const begin = (path = 'a.txt') =>
    fetch(`${worker.url}/v1/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ path, size: 1 }),
    })
  const mints = () => emulator.controls.calls().filter(({ route }) => route === 'mint-token').length
  return { emulator, issuer, worker, begin, mints }
}

describe('the Worker', () => {
  test('cold start: serves 100 requests with a few requests to SMH and the issuer', async () => {
    const { begin, mints, issuer, emulator } = await startWorker()
    emulator.controls.force('mint-token', { delayMs: 50, times: 100 })
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => begin(`${index}`)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]))
    expect(emulator.controls.openTasks()).toHaveLength(100)
    expect(mints()).toBeLessThanOrEqual(MAX_FLIGHTS)
    expect(issuer.hits().discovery).toBeLessThanOrEqual(MAX_FLIGHTS)
    expect(issuer.hits().keys).toBeLessThanOrEqual(MAX_FLIGHTS)
    const fetched = { mints: mints(), ...issuer.hits() }
    // What has settled is shared from then on.
    const warm = await Promise.all(Array.from({ length: 100 }, (_, index) => begin(`w${index}`)))
    expect(new Set(warm.map(({ status }) => status))).toEqual(new Set([201]))
    expect({ mints: mints(), ...issuer.hits() }).toEqual(fetched)
  })

  test('cold start: many invalid tokens cause a few requests to the issuer', async () => {
    const { worker, issuer } = await startWorker()
    const bad = await issuer.forgedToken({ sub: 'ann' })
    const send = async () => {
      const headers = { authorization: `Bearer ${bad}` }
      return (await fetch(`${worker.url}/v1/uploads/abc`, { headers })).status
    }
    const answers = await Promise.all(Array.from({ length: 100 }, send))
    expect(new Set(answers)).toEqual(new Set([401]))
    // One more for the key id that is not among the keys.
    expect(issuer.hits().keys).toBeLessThanOrEqual(MAX_FLIGHTS + 1)
  })

  test('wrong library secret: causes a few requests to SMH, each with one log line at error', async () => {
    const { worker, begin, mints } = await startWorker({ SMH_LIBRARY_SECRET: 'wrong' })
    const answers = await Promise.all(Array.from({ length: 50 }, () => begin()))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([502]))
    expect(mints()).toBeLessThanOrEqual(MAX_FLIGHTS)
    const lines = () => worker.written().match(/"event":"request"/g) ?? []
    await expect.poll(lines, { timeout: 10_000 }).toHaveLength(50)
    const alarms = worker.written().match(/"level":"error"/g) ?? []
    expect(alarms.length).toBeGreaterThan(0)
    expect(alarms.length).toBeLessThanOrEqual(MAX_FLIGHTS)
  })

  test('invalid configuration: every response is 503, and the log has variables without values', async () => {
    const { worker } = await startWorker({
      SMH_LIBRARY_SECRET: 'canary-secret',
      PORT: 'canary-port',
      UPLOAD_MAX_BYTES: 'canary-size',
      JWT_ALGORITHMS: 'HS256',
      CONFIRM_KEY_SECRETS: 'canary-short',
    })
    for (const path of ['/v1/uploads', '/livez', '/openapi.json', '/']) {
      const response = await fetch(worker.url + path)
      expect(response.status).toBe(503)
      expect(response.headers.get('content-type')).toBe('application/problem+json')
      expect(response.headers.get('retry-after')).toBe('60')
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(response.headers.get('date')).toBeTruthy()
      expect(await response.json()).toEqual({
        type: 'urn:smh-upload-gateway:problem:upstream_unavailable',
        title: 'Service Unavailable',
        status: 503,
        detail: 'Uploads cannot begin right now.',
        code: 'upstream_unavailable',
        requestId: response.headers.get('x-request-id'),
      })
    }
    await expect.poll(() => worker.written()).toContain('invalid_configuration')
    const [line = '{}'] = worker.written().split('\n')
    const { level, issues } = JSON.parse(line)
    expect(level).toBe('fatal')
    expect(issues.map(({ variable }: { variable: string }) => variable)).toEqual([
      'JWT_ALGORITHMS',
      'UPLOAD_MAX_BYTES',
      'CONFIRM_KEY_SECRETS',
    ])
    // Once an isolate, not once a request.
    expect(worker.written().match(/invalid_configuration/g)).toHaveLength(1)
    expect(worker.written()).not.toMatch(/canary|HS256/)
  })

  test('vars: accepts other types than text, and logs unknown variables', async () => {
    const { worker, begin } = await startWorker({
      UPLOAD_CREATE_PARENTS: true,
      UPLOAD_MAX_BYTES: 1000,
      UPLOAD_MAX_BYTE: '5',
    })
    expect((await begin()).status).toBe(201)
    await expect.poll(() => worker.written()).toContain('"variables":["UPLOAD_MAX_BYTE"]')
  })

  test('rate-limit bindings: logs missing ones, unless the limits are off', async () => {
    const without = await startWorker()
    await without.begin()
    await expect
      .poll(() => without.worker.written())
      .toContain(
        '"event":"rate_limit_binding_missing","variables":["BEGIN_RATE_LIMIT","CALL_RATE_LIMIT"]',
      )
    const unlimited = await startWorker({ RATE_LIMIT_PER_MINUTE: 0 })
    await unlimited.begin()
    await expect.poll(() => unlimited.worker.written()).toContain('"event":"request"')
    expect(unlimited.worker.written()).not.toContain('rate_limit_binding_missing')
  })

  test('binding LEDGER: begins are limited by RATE_LIMIT_PER_MINUTE, and the response says how many are left', async () => {
    const { worker, begin } = await startWorker({ RATE_LIMIT_PER_MINUTE: 2 }, { hasLedger: true })
    const answers = [await begin(), await begin(), await begin()]
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 429])
    const left = answers.map(({ headers }) => /r=\d+/.exec(headers.get('ratelimit') ?? '')?.[0])
    expect(left).toEqual(['r=1', 'r=0', 'r=0'])
    await expect
      .poll(() => worker.written())
      .toContain('"event":"rate_limit_binding_missing","variables":["CALL_RATE_LIMIT"]')
    expect(worker.written()).not.toContain('ledger_unavailable')
  })

  test('binding BEGIN_RATE_LIMIT: without LEDGER it limits begins, and the response has only the policy', async () => {
    const { begin } = await startWorker({}, { beginLimit: 2 })
    const answers = [await begin(), await begin(), await begin()]
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 429])
    for (const { headers } of answers) {
      expect(headers.get('ratelimit-policy')).toMatch(/^"begins";q=\d+;w=60$/)
      expect(headers.get('ratelimit')).toBeNull()
    }
  })

  test('a flood of /readyz at a cold start causes few upstream calls', async () => {
    const { worker, mints, issuer, emulator } = await startWorker()
    emulator.controls.force('mint-token', { delayMs: 50, times: 100 })
    const ready = async () => (await fetch(`${worker.url}/readyz`)).status
    const answers = await Promise.all(Array.from({ length: 100 }, ready))
    expect(answers).toContain(200)
    expect(mints()).toBeLessThanOrEqual(4)
    expect(issuer.hits().keys).toBeLessThanOrEqual(4)
    expect(await ready()).toBe(200)
  })

  test('binding ASSETS: without it only the assets respond with 404', async () => {
    const { worker } = await startWorker()
    for (const path of ['/docs', '/docs/reference.css', '/openapi.json']) {
      await expectProblem(await fetch(worker.url + path), 404, 'not_found')
    }
    expect((await fetch(`${worker.url}/livez`)).status).toBe(200)
  })

  test('cron trigger: renews the token of SMH_ACCESS_TOKEN', async () => {
    const maker = await startWorker()
    await maker.begin()
    const token = maker.emulator.controls.calls().find(({ query }) => query.access_token)
    const worker = await startDeployedWorker({
      SMH_LIBRARY_ID: maker.emulator.libraryId,
      SMH_ACCESS_TOKEN: token?.query.access_token,
      CONFIRM_KEY_SECRETS: 'c'.repeat(32),
      SMH_ENDPOINT: maker.emulator.smhUrl,
      JWT_ISSUER: maker.issuer.issuer,
      JWT_AUDIENCE: maker.issuer.audience,
      UPLOAD_PATH_PREFIX: '/',
    })
    const renewals = () =>
      maker.emulator.controls.calls().filter(({ route }) => route === 'renew-token').length
    await worker.cron()
    await expect.poll(renewals).toBe(1)
    // Not at every tick: only once half of its idle time is over.
    await worker.cron()
    expect((await fetch(`${worker.url}/readyz`)).status).toBe(200)
    expect(renewals()).toBe(1)
  })
})
