import { describe, expect, test } from 'vitest'
import { expectFetches, type Harness, startHarness } from '../support/harness.ts'
import { onWorkers } from '../support/launch.ts'
import { expectProblem } from '../support/problems.ts'

const ready = (harness: Harness) => harness.request('GET', '/readyz', { as: null })

/** Everything that was asked of others for the answers so far. */
const asked = (harness: Harness) => ({
  smh: harness.smhCalls().map(({ route }) => route),
  ...harness.issuer.hits(),
})

test('/livez: returns 200 without a call to SMH or the issuer', async () => {
  const harness = await startHarness()
  harness.issuer.down(true)
  await harness.emulator.close()
  const response = await harness.request('GET', '/livez', { as: null })
  expect([response.status, await response.json()]).toEqual([200, { status: 'alive' }])
  expect(asked(harness)).toEqual({ smh: [], discovery: 0, keys: 0 })
})

describe('/readyz', () => {
  test('returns 200 when keys and a token are available', async () => {
    const harness = await startHarness()
    const response = await ready(harness)
    expect([response.status, await response.json()]).toEqual([200, { status: 'ready' }])
    expect(asked(harness)).toEqual({ smh: ['mint-token'], discovery: 1, keys: 1 })
  })

  test('a hundred requests at once cause one check', async () => {
    const harness = await startHarness()
    const bad = await harness.startAnother({ SMH_LIBRARY_SECRET: 'wrong' })
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => harness.request('GET', '/readyz', { as: null })),
    )
    const statuses = new Set(answers.map(({ status }) => status))
    // Where requests cannot share a check, only a few may start one; the others get 503.
    if (onWorkers) statuses.delete(503)
    expect(statuses).toEqual(new Set([200]))
    const { smh, discovery, keys } = asked(harness)
    for (const fetched of [smh.length, discovery, keys]) expectFetches(fetched, 4)
    expect(new Set(smh)).toEqual(new Set(['mint-token']))

    harness.emulator.controls.clearCalls()
    for (let round = 0; round < 3; round += 1) {
      const refused = await Promise.all(
        Array.from({ length: 30 }, () => harness.request('GET', '/readyz', { as: null, on: bad })),
      )
      expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]))
    }
    const tried = harness.smhCalls().map(({ route }) => route)
    expectFetches(tried.length, 4)
    expect(new Set(tried)).toEqual(new Set(['mint-token']))
    const logged = (await harness.records(bad)).filter(({ event }) => event === 'not_ready')
    expectFetches(logged.length, 4)
  })

  test("returns 503 when SMH refuses the secret, and the log has SMH's response", async () => {
    const harness = await startHarness({ environment: { SMH_LIBRARY_SECRET: 'wrong' } })
    const response = await ready(harness)
    expect(response.headers.get('retry-after')).toBe('5')
    await expectProblem(response, 503, 'upstream_unavailable')
    const event = { level: 'error', event: 'not_ready', smhCode: 'WrongLibraryIdOrSecret' }
    expect(await harness.records()).toContainEqual(expect.objectContaining(event))
  })

  test('returns 503 while the issuer is down, and 200 five seconds after it is back', async () => {
    const harness = await startHarness()
    harness.issuer.down(true)
    await expectProblem(await ready(harness), 503, 'upstream_unavailable')
    harness.issuer.down(false)
    await expectProblem(await ready(harness), 503, 'upstream_unavailable')
    harness.advance(5_000)
    expect((await ready(harness)).status).toBe(200)
  })

  test('is checked again after five seconds', async () => {
    const harness = await startHarness()
    await ready(harness)
    harness.advance(4_000)
    harness.emulator.controls.force('mint-token', { status: 503, times: Infinity })
    expect((await ready(harness)).status).toBe(200)
    // Long after the token it had is over.
    harness.advance(3_600_000)
    await expectProblem(await ready(harness), 503, 'upstream_unavailable')
  })

  test('in per-user mode its token has no user and may only read', async () => {
    const harness = await startHarness({ environment: { SMH_TOKEN_MODE: 'per-user' } })
    expect((await ready(harness)).status).toBe(200)
    const [mint] = harness.smhCalls('mint-token')
    expect(mint?.query).not.toHaveProperty('grant')
    expect(mint?.query).not.toHaveProperty('user_id')
  })

  test('in per-user mode with spaces from a claim needs no token', async () => {
    const harness = await startHarness({
      environment: { SMH_TOKEN_MODE: 'per-user', SMH_SPACE_CLAIM: 'tenant' },
      emulator: { multiTenant: true, spaces: ['space-a'] },
    })
    expect((await ready(harness)).status).toBe(200)
  })
})
