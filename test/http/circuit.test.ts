import { describe, expect, test } from 'vitest'
import type { Fault } from '../../src/emulator/faults.ts'
import { ann, bob, type Harness, startHarness } from '../support/harness.ts'
import { onBun, onWorkers } from '../support/launch.ts'
import { expectProblem } from '../support/problems.ts'

/** Failed calls of one user in a row, after which this user's calls are refused. */
const FAILURES = 5

const users = ['ann', 'bob', 'cid', 'dan'].map((sub) => ({ sub }))

const always = { times: Number.POSITIVE_INFINITY }

async function startWithToken(environment: Record<string, string> = {}) {
  const harness = await startHarness({
    environment: { RATE_LIMIT_PER_MINUTE: '0', ...environment },
  })
  const { confirmKey } = await harness.begin({ path: 'a', size: 3 })
  harness.emulator.controls.clearCalls()
  const status = () => harness.request('GET', `/v1/uploads/${confirmKey}`)
  const begin = (as = ann) =>
    harness.request('POST', '/v1/uploads', { as, body: { path: 'b', size: 3 } })
  const ready = () => harness.request('GET', '/readyz', { as: null })
  return { harness, status, begin, ready, confirmKey }
}

const events = async (harness: Harness) =>
  (await harness.records()).filter(({ event }) => event.startsWith('smh_circuit'))

async function times(count: number, ask: () => Promise<Response>): Promise<number[]> {
  const answers = []
  for (let time = 0; time < count; time += 1) answers.push((await ask()).status)
  return answers
}

const atOnce = async (count: number, ask: () => Promise<Response>) =>
  (await Promise.all(Array.from({ length: count }, ask))).map(({ status }) => status)

const idOf = ({ headers }: Response) => headers.get('x-request-id')

/** Twenty calls at once are all refused by the circuit, without a call to SMH. */
async function expectToldAtOnce(harness: Harness, ask: () => Promise<Response>, reason: string) {
  const refused = await Promise.all(Array.from({ length: 20 }, () => ask()))
  for (const response of refused) {
    expect(response.headers.get('retry-after')).toMatch(/^[1-5]$/)
    await expectProblem(response, 503, 'upstream_unavailable')
  }
  const ids = new Set<string | null | undefined>(refused.map(idOf))
  const lines = (await harness.records()).filter(({ requestId }) => ids.has(requestId))
  expect(lines.filter((line) => line.reason === reason)).toHaveLength(20)
}

describe('circuit: while SMH is down', { timeout: 30_000 }, () => {
  test('a single user gets 503 at once without a call to SMH, and is served five seconds later', async () => {
    const { harness, status } = await startWithToken()
    await harness.emulator.controls.refuseConnections(true)
    expect(await times(FAILURES, status)).toEqual(Array(FAILURES).fill(503))
    await expectToldAtOnce(harness, status, 'user_circuit_open')

    // Left alone though it is back.
    await harness.emulator.controls.refuseConnections(false)
    expect(await times(1, status)).toEqual([503])
    expect(harness.smhCalls()).toEqual([])
    harness.advance(5_000)
    expect((await status()).status).toBe(200)
    expect(await times(3, status)).toEqual([200, 200, 200])
    expect(await events(harness)).toEqual([])
  })

  test('all users get 503 at once without a call to SMH, and are served five seconds later', async () => {
    const { harness, status, begin } = await startWithToken()
    await harness.emulator.controls.refuseConnections(true)
    for (const user of users) await times(2, () => begin(user))
    harness.advance(3_000)
    for (const user of users) await times(1, () => begin(user))
    await expectToldAtOnce(harness, status, 'circuit_open')

    // Left alone though it is back.
    await harness.emulator.controls.refuseConnections(false)
    expect(await times(1, status)).toEqual([503])
    expect(harness.smhCalls()).toEqual([])
    harness.advance(5_000)
    expect((await status()).status).toBe(200)
    expect(await times(3, status)).toEqual([200, 200, 200])
    expect(await events(harness)).toMatchObject([
      {
        level: 'warn',
        event: 'smh_circuit_opened',
        reason: onWorkers || onBun ? 'connection_lost' : 'connect_failed',
      },
      { level: 'warn', event: 'smh_circuit_closed' },
    ])
  })

  test('only the first requests wait for a silent SMH, later requests get 503 at once', async () => {
    const { harness, status } = await startWithToken({ UPSTREAM_TIMEOUT_SECONDS: '1' })
    harness.emulator.controls.force('status', { delayMs: 3_600_000, ...always })
    expect(await atOnce(FAILURES, status)).toEqual(Array(FAILURES).fill(504))
    expect(await times(3, status)).toEqual([503, 503, 503])
    expect(harness.smhCalls('status')).toHaveLength(FAILURES)
  })

  test('only one trial call runs at a time', async () => {
    const { harness, status } = await startWithToken()
    const { controls } = harness.emulator
    controls.force('status', { status: 503, ...always })
    await atOnce(FAILURES, status)
    controls.clearFaults()
    controls.clearCalls()
    harness.advance(5_000)
    controls.force('status', { status: 503, headers: { 'retry-after': '60' } })
    expect(await atOnce(10, status)).toEqual(Array(10).fill(503))
    expect(harness.smhCalls('status')).toHaveLength(1)
    expect(await times(1, status)).toEqual([503])
    harness.advance(5_000)
    expect(await times(1, status)).toEqual([200])
  })

  test('a trial that never ends is replaced by another', async () => {
    const { harness, status, confirmKey } = await startWithToken()
    const { controls } = harness.emulator
    controls.force('status', { status: 503, ...always })
    await atOnce(FAILURES, status)
    controls.clearFaults()
    harness.advance(5_000)
    controls.clearCalls()
    controls.force('status', { delayMs: 3_600_000 })
    const left = new AbortController()
    const path = `/v1/uploads/${confirmKey}`
    const trial = harness.request('GET', path, { signal: left.signal }).catch(() => undefined)
    await expect.poll(() => harness.smhCalls('status').length).toBe(1)
    expect(await times(1, status)).toEqual([503])
    // Three times the time of one call.
    harness.advance(30_000)
    expect(await times(1, status)).toEqual([200])
    left.abort()
    await trial
  })

  test.each(['shared', 'per-user'])(
    '/readyz returns 503 with a %s token, and makes the trial call if there is no other request',
    async (mode) => {
      const { harness, status, ready } = await startWithToken({ SMH_TOKEN_MODE: mode })
      expect(await times(1, ready)).toEqual([200])
      harness.emulator.controls.clearCalls()
      await harness.emulator.controls.refuseConnections(true)
      await atOnce(FAILURES, status)
      harness.advance(5_000)
      await expectProblem(await ready(), 503, 'upstream_unavailable')
      await harness.emulator.controls.refuseConnections(false)
      harness.advance(5_000)
      expect(await times(1, ready)).toEqual([200])
      expect(harness.smhCalls().map(({ route }) => route)).toEqual(['mint-token'])
      expect(await times(1, status)).toEqual([200])
    },
  )

  test('a failed mint counts for all users of the token', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '0' } })
    harness.emulator.controls.force('mint-token', { status: 500, ...always })
    const begin = () => harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 } })
    expect(await times(4, begin)).toEqual([502, 502, 502, 503])
  })
})

describe('circuit: stays closed', { timeout: 30_000 }, () => {
  test('when failures and successes mix', async () => {
    const { harness, status, begin } = await startWithToken()
    harness.emulator.controls.force('begin-multipart', { drop: 'before', ...always })
    for (let time = 0; time < 3; time += 1) {
      await times(FAILURES - 1, begin)
      expect(await times(1, status)).toEqual([200])
    }
    expect(await events(harness)).toEqual([])
  })

  test.each<[what: string, fault: Fault]>([
    ['throttled', { status: 429, code: 'RateLimitExceeded' }],
    ['answered 503', { status: 503 }],
    ['answered 500', { status: 500 }],
    ['cut off', { drop: 'before' }],
  ])('when one user is %s on 16 connections: all others are served', async (_, fault) => {
    const { harness, begin } = await startWithToken()
    harness.emulator.controls.force('begin-multipart', {
      ...fault,
      ...always,
      match: byUser('ann'),
    })
    for (let second = 0; second < 10; second += 1) {
      const [mine, others] = await Promise.all([
        atOnce(16, () => begin(ann)),
        atOnce(2, () => begin(bob)),
      ])
      expect(others).toEqual([201, 201])
      expect(mine.every((status) => status === 502 || status === 503)).toBe(true)
      harness.advance(1_000)
    }
    // Ann alone for a while, then users who are new.
    await atOnce(16, () => begin(ann))
    for (const user of users.slice(1)) expect(await times(1, () => begin(user))).toEqual([201])
    expect(await events(harness)).toEqual([])
    // SMH has been spared: the first calls of ann, three tries each, and a trial in five seconds.
    const calls = harness.smhCalls('begin-multipart').filter(({ query }) => query.user_id === 'ann')
    expect(calls.length).toBeLessThanOrEqual((16 + 2) * 3)
  })

  test("when several users fail together, once another user's call succeeds", async () => {
    const { harness, begin } = await startWithToken()
    const match = ({ query }: { query: Record<string, string> }) => query.user_id !== 'eve'
    harness.emulator.controls.force('begin-multipart', { status: 500, ...always, match })
    for (const user of users) await times(2, () => begin(user))
    harness.advance(3_000)
    for (const user of users) await times(1, () => begin(user))
    expect(await events(harness)).toMatchObject([{ event: 'smh_circuit_opened' }])
    // At once, not at their next trial.
    expect(await times(3, () => begin({ sub: 'eve' }))).toEqual([201, 201, 201])
    expect(await events(harness)).toHaveLength(2)
  })

  test.each([
    ["refuses a user's request", { status: 404, code: 'UploadNotFound' }, 404],
    ['refuses the configuration', { status: 403, code: 'NoPermission' }, 502],
    ['returns an invalid body', { status: 200, body: '<html>' }, 502],
  ] satisfies [string, Fault, number][])('when it %s', async (_, fault, answer) => {
    const { harness, status } = await startWithToken()
    harness.emulator.controls.force('status', { ...fault, ...always })
    expect(await times(3 * FAILURES, status)).toEqual(Array(3 * FAILURES).fill(answer))
    expect(await events(harness)).toEqual([])
  })

  test('when clients disconnect', async () => {
    const { harness, status, confirmKey } = await startWithToken()
    for (let time = 0; time < FAILURES + 2; time += 1) {
      const leaving = new AbortController()
      const match = () => {
        leaving.abort()
        return true
      }
      harness.emulator.controls.force('status', { delayMs: 3_600_000, match })
      const path = `/v1/uploads/${confirmKey}`
      await harness.request('GET', path, { signal: leaving.signal }).catch(() => undefined)
    }
    expect(await times(1, status)).toEqual([200])
  })
})

const byUser =
  (user: string): NonNullable<Fault['match']> =>
  ({ query }) =>
    query.user_id === user
