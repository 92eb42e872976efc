import { describe, expect, test } from 'vitest'
import type { Emulator } from '../../src/emulator/start.ts'
import { expectFetches, type Harness, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const good = { path: 'a.txt', size: 5 }
const busy = { UPLOAD_PATH_PREFIX: '/', RATE_LIMIT_PER_MINUTE: '0' }

/** Sends this number of begins at once. Resolves to the set of their statuses. */
async function beginMany(harness: Harness, count: number): Promise<number[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, () => harness.request('POST', '/v1/uploads', { body: good })),
  )
  return [...new Set(answers.map(({ status }) => status))]
}

const count = (harness: Harness, route: 'mint-token' | 'renew-token') =>
  harness.smhCalls(route).length

/** A token that the operator provides. */
async function mintElsewhere(emulator: Emulator, grant = 'admin', period = 1200): Promise<string> {
  const query = new URLSearchParams({
    library_id: emulator.libraryId,
    library_secret: emulator.librarySecret,
    grant,
    period: String(period),
  })
  const response = await fetch(`${emulator.smhUrl}/api/v1/token?${query}`)
  const { accessToken } = (await response.json()) as { accessToken: string }
  emulator.controls.clearCalls()
  return accessToken
}

const given = (grant?: string) => async (parts: { emulator: Emulator }) => ({
  SMH_ACCESS_TOKEN: await mintElsewhere(parts.emulator, grant),
  CONFIRM_KEY_SECRETS: 'c'.repeat(32),
  UPLOAD_PATH_PREFIX: '/',
})

describe('SMH access token, minted', () => {
  test('200 begins at once after the start cause one mint and one key set request', async () => {
    const harness = await startHarness({ environment: busy })
    expect(await beginMany(harness, 200)).toEqual([201])
    const { discovery, keys } = harness.issuer.hits()
    for (const fetched of [count(harness, 'mint-token'), discovery, keys]) {
      expectFetches(fetched, 200)
    }
    expect(harness.emulator.controls.openTasks()).toHaveLength(200)
  })

  test('is revoked during 50 requests: all succeed after one more mint', async () => {
    const harness = await startHarness({ environment: busy })
    await harness.begin(good)
    harness.emulator.controls.clearCalls()
    let arrived = 0
    const match = () => {
      arrived += 1
      if (arrived === 50) harness.emulator.controls.expireToken()
      return true
    }
    // Long enough for fifty to arrive; should one slip through, what is asserted stays true.
    harness.emulator.controls.force('begin-multipart', { delayMs: 500, times: 50, match })
    expect(await beginMany(harness, 50)).toEqual([201])
    expectFetches(count(harness, 'mint-token'), 50)
    const refused = harness.smhCalls('begin-multipart').filter(({ status }) => status === 403)
    expect(refused.length).toBeGreaterThan(0)
    expect(harness.emulator.controls.openTasks()).toHaveLength(51)
  })

  test('is replaced before use when it was idle too long', async () => {
    const harness = await startHarness({ environment: busy })
    await harness.begin(good)
    harness.advance(3_600_000)
    await harness.begin(good)
    expect(count(harness, 'mint-token')).toBe(2)
    expect(harness.smhCalls('begin-multipart').map(({ status }) => status)).toEqual([201, 201])
  })

  test('is kept while it is used', async () => {
    const harness = await startHarness({ environment: busy })
    for (let hour = 0; hour < 5; hour += 1) {
      await harness.begin(good)
      harness.advance(3_000_000)
    }
    expect(count(harness, 'mint-token')).toBe(1)
  })

  test('is minted at most twice when SMH refuses it', async () => {
    const harness = await startHarness({ environment: busy })
    const fault = { status: 403, code: 'InvalidAccessToken', times: Number.POSITIVE_INFINITY }
    harness.emulator.controls.force('begin-multipart', fault)
    const response = await harness.request('POST', '/v1/uploads', { body: good })
    await expectProblem(response, 502, 'upstream_error')
    expect(count(harness, 'mint-token')).toBe(2)
    expect((await harness.records()).at(-1)).toMatchObject({
      level: 'error',
      smhCode: 'InvalidAccessToken',
    })
  })

  test.each([
    [{ status: 429, code: 'RateLimitExceeded' }, 201, undefined],
    [{ drop: 'before' as const }, 201, undefined],
    [{ status: 503, times: 9 }, 503, 'upstream_unavailable' as const],
    [{ status: 500, times: 9 }, 502, 'upstream_error' as const],
    [{ body: '<html>', contentType: 'text/html' }, 502, 'upstream_error' as const],
    [{ body: '{"accessToken":5,"expiresIn":3600}' }, 502, 'upstream_error' as const],
    [{ body: '{"accessToken":"t"}' }, 502, 'upstream_error' as const],
    [{ body: '{"accessToken":"t","expiresIn":0}' }, 502, 'upstream_error' as const],
  ])('a mint that fails with %j returns %d', async (fault, status, code) => {
    const harness = await startHarness({ environment: busy })
    harness.emulator.controls.force('mint-token', fault)
    const response = await harness.request('POST', '/v1/uploads', { body: good })
    expect(response.status).toBe(status)
    if (code) await expectProblem(response, status, code)
    harness.emulator.controls.clearFaults()
    await harness.begin(good)
  })

  test('with a wrong secret begin returns 502, and the log has an error', async () => {
    const harness = await startHarness({ environment: { SMH_LIBRARY_SECRET: 'wrong' } })
    const response = await harness.request('POST', '/v1/uploads', { body: good })
    await expectProblem(response, 502, 'upstream_error')
    expect((await harness.records()).at(-1)).toMatchObject({
      level: 'error',
      smhCode: 'WrongLibraryIdOrSecret',
    })
    expect(count(harness, 'mint-token')).toBe(1)
  })
})

describe('SMH_ACCESS_TOKEN', () => {
  test('is renewed and used, and no token is minted', async () => {
    const harness = await startHarness({ environment: given() })
    for (let round = 0; round < 4; round += 1) {
      await harness.begin(good)
      harness.advance(1_000_000)
    }
    expect(count(harness, 'mint-token')).toBe(0)
    expect(count(harness, 'renew-token')).toBeGreaterThanOrEqual(1)
    const used = harness.smhCalls('begin-multipart').map(({ query }) => query.access_token)
    expect(new Set(used).size).toBe(1)
  })

  test('near its expiration is renewed before use', async () => {
    const harness = await startHarness({ environment: given() })
    await harness.begin(good)
    const before = count(harness, 'renew-token')
    harness.advance(1_100_000)
    await harness.begin(good)
    expect(count(harness, 'renew-token')).toBe(before + 1)
    expect(harness.smhCalls('begin-multipart').map(({ status }) => status)).toEqual([201, 201])
  })

  test('that is revoked returns 502, and the log has an error', async () => {
    const harness = await startHarness({ environment: given() })
    await harness.begin(good)
    harness.emulator.controls.expireToken()
    const response = await harness.request('POST', '/v1/uploads', { body: good })
    await expectProblem(response, 502, 'upstream_error')
    expect((await harness.records()).at(-1)).toMatchObject({
      event: 'request',
      level: 'error',
      smhCode: 'InvalidAccessToken',
    })
    expect(count(harness, 'mint-token')).toBe(0)
  })

  test('without the grants returns 502, and the log has an error', async () => {
    const harness = await startHarness({ environment: given('confirm_upload') })
    const response = await harness.request('POST', '/v1/uploads', { body: good })
    await expectProblem(response, 502, 'upstream_error')
    expect((await harness.records()).at(-1)).toMatchObject({
      level: 'error',
      smhCode: 'NoPermission',
    })
  })

  test('with all grants serves a whole upload for the user', async () => {
    const harness = await startHarness({ environment: given() })
    expect(await harness.upload('a/b.txt', [new Uint8Array(3)])).toMatchObject({ size: 3 })
    expect(harness.emulator.controls.files()).toMatchObject([{ userId: 'ann' }])
  })
})

test.each([
  ['was minted with a secret that is no longer valid', {}],
  ['the operator provided', given()],
])('SMH access token: a revoked token that %s makes /readyz return 503', async (_, environment) => {
  const harness = await startHarness({ environment })
  const begin = () => harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 1 } })
  expect((await begin()).status).toBe(201)
  harness.emulator.controls.expireToken()
  const wrong = { status: 404, code: 'WrongLibraryIdOrSecret', times: Number.POSITIVE_INFINITY }
  harness.emulator.controls.force('mint-token', wrong)
  expect((await begin()).status).toBe(502)
  const ready = await harness.request('GET', '/readyz', { as: null })
  await expectProblem(ready, 503, 'upstream_unavailable')
  const line = { level: 'error', event: 'not_ready', reason: 'misconfigured' }
  expect(await harness.records()).toContainEqual(expect.objectContaining(line))
})
