import { describe, expect, test } from 'vitest'
import { type Bench, expectFetches, startBench } from '../support/gateway.ts'
import { onWorkers } from '../support/launch.ts'
import { expectProblem } from '../support/problems.ts'

const ready = (bench: Bench) => bench.request('GET', '/readyz', { as: null })

/** Everything that was asked of others for the answers so far. */
const asked = (bench: Bench) => ({
  smh: bench.smhCalls().map(({ route }) => route),
  ...bench.issuer.hits(),
})

test('/livez asks nobody', async () => {
  const bench = await startBench()
  bench.issuer.down(true)
  await bench.emulator.close()
  const response = await bench.request('GET', '/livez', { as: null })
  expect([response.status, await response.json()]).toEqual([200, { status: 'alive' }])
  expect(asked(bench)).toEqual({ smh: [], discovery: 0, keys: 0 })
})

describe('/readyz', () => {
  test('is good when keys and a token can be had', async () => {
    const bench = await startBench()
    const response = await ready(bench)
    expect([response.status, await response.json()]).toEqual([200, { status: 'ready' }])
    expect(asked(bench)).toEqual({ smh: ['mint-token'], discovery: 1, keys: 1 })
  })

  test('a hundred at once cost as much as one, good or bad', async () => {
    const bench = await startBench()
    const bad = await bench.startAnother({ SMH_LIBRARY_SECRET: 'wrong' })
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => bench.request('GET', '/readyz', { as: null })),
    )
    const statuses = new Set(answers.map(({ status }) => status))
    // Where they cannot share a check, those beyond a few are not told that all is well.
    if (onWorkers) statuses.delete(503)
    expect(statuses).toEqual(new Set([200]))
    const { smh, discovery, keys } = asked(bench)
    for (const fetched of [smh.length, discovery, keys]) expectFetches(fetched, 4)
    expect(new Set(smh)).toEqual(new Set(['mint-token']))

    bench.emulator.controls.clearCalls()
    for (let round = 0; round < 3; round += 1) {
      const refused = await Promise.all(
        Array.from({ length: 30 }, () => bench.request('GET', '/readyz', { as: null, on: bad })),
      )
      expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]))
    }
    const tried = bench.smhCalls().map(({ route }) => route)
    expectFetches(tried.length, 4)
    expect(new Set(tried)).toEqual(new Set(['mint-token']))
    const told = (await bench.records(bad)).filter(({ event }) => event === 'not ready')
    expectFetches(told.length, 4)
  })

  test('is bad with a secret that SMH does not take, and the log says what it said', async () => {
    const bench = await startBench({ environment: { SMH_LIBRARY_SECRET: 'wrong' } })
    const response = await ready(bench)
    expect(response.headers.get('retry-after')).toBe('5')
    await expectProblem(response, 503, 'upstream_unavailable')
    const event = { level: 'error', event: 'not ready', smhCode: 'WrongLibraryIdOrSecret' }
    expect(await bench.records()).toContainEqual(expect.objectContaining(event))
  })

  test('is bad while the issuer is down, and good five seconds after it is back', async () => {
    const bench = await startBench()
    bench.issuer.down(true)
    await expectProblem(await ready(bench), 503, 'upstream_unavailable')
    bench.issuer.down(false)
    await expectProblem(await ready(bench), 503, 'upstream_unavailable')
    bench.advance(5_000)
    expect((await ready(bench)).status).toBe(200)
  })

  test('is looked at again after five seconds', async () => {
    const bench = await startBench()
    await ready(bench)
    bench.advance(4_000)
    bench.emulator.controls.force('mint-token', { status: 503, times: Infinity })
    expect((await ready(bench)).status).toBe(200)
    // Long after the token it had is over.
    bench.advance(3_600_000)
    await expectProblem(await ready(bench), 503, 'upstream_unavailable')
  })

  test('in per-user mode its token stands for no user and may only read', async () => {
    const bench = await startBench({ environment: { SMH_TOKEN_MODE: 'per-user' } })
    expect((await ready(bench)).status).toBe(200)
    const [mint] = bench.smhCalls('mint-token')
    expect(mint?.query).not.toHaveProperty('grant')
    expect(mint?.query).not.toHaveProperty('user_id')
  })

  test('in per-user mode with spaces from a claim it is good without one', async () => {
    const bench = await startBench({
      environment: { SMH_TOKEN_MODE: 'per-user', SMH_SPACE_CLAIM: 'tenant' },
      emulator: { multiTenant: true, spaces: ['space-a'] },
    })
    expect((await ready(bench)).status).toBe(200)
  })
})
