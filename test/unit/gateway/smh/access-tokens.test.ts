import { describe, expect, onTestFinished, test } from 'vitest'
import { startEmulator } from '../../../../src/emulator/start.ts'
import type { SmhConfig, UploadRules } from '../../../../src/gateway/config/parse.ts'
import { conceal } from '../../../../src/gateway/config/secret.ts'
import { noMetrics, type SingleFlight } from '../../../../src/gateway/ports.ts'
import { createUndiciClient } from '../../../../src/gateway/runtimes/node/undici-client.ts'
import {
  createBoundedFlights,
  createSingleFlight,
  MAX_FLIGHTS,
} from '../../../../src/gateway/runtimes/shared/single-flight.ts'
import { createAccessTokens, REFUSED_MS } from '../../../../src/gateway/smh/access-tokens.ts'
import { SmhError } from '../../../../src/gateway/smh/smh-error.ts'
import { createSmhTransport } from '../../../../src/gateway/smh/transport.ts'
import { parseWith } from '../../../support/config.ts'

const upload: UploadRules = { ...parseWith().upload, conflictStrategies: new Set(['rename']) }
const ann = { userId: 'ann', spaceId: '-' }
const bob = { userId: 'bob', spaceId: '-' }

/** Custody over a real emulator, with a clock that only `advance` moves. */
async function startCustody({
  smh = {},
  rules = {},
  singleFlight = createSingleFlight(),
  multiTenant = false,
}: {
  smh?: Partial<SmhConfig>
  rules?: Partial<UploadRules>
  singleFlight?: SingleFlight
  multiTenant?: boolean
} = {}) {
  let now = Date.parse('2026-03-04T05:06:07Z')
  const clock = () => now
  const emulator = await startEmulator({ now: clock, multiTenant, spaces: ['space-1', 'space-2'] })
  const httpClient = createUndiciClient()
  onTestFinished(async () => {
    await Promise.all([emulator.close(), httpClient.close()])
  })
  const outcomes: string[] = []
  const send = createSmhTransport(emulator.smhUrl, 5000, httpClient, {
    ...noMetrics,
    calledOut: (_operation, outcome) => outcomes.push(outcome),
  })
  const config: SmhConfig = {
    libraryId: emulator.libraryId,
    endpoint: emulator.smhUrl,
    credential: { kind: 'library-secret', secret: conceal(emulator.librarySecret) },
    tokenMode: 'shared',
    tokenPeriodSeconds: 1200,
    space: { kind: 'fixed', id: '-' },
    ...smh,
  }
  const tokens = createAccessTokens({
    smh: config,
    upload: { ...upload, ...rules },
    send,
    monotonicClock: clock,
    singleFlight,
    timeoutMs: 5000,
  })
  const limits = (ms = 5000) => ({ deadline: performance.now() + ms })
  /** A call of SMH that any good token may make; resolves to the token it was made with. */
  const list = (token: string) =>
    send(
      {
        operation: 'list',
        method: 'GET',
        path: `/directory/${emulator.libraryId}/-/`,
        flag: 'by-marker=1',
        query: { access_token: token },
        repeatable: true,
      },
      limits(),
    ).then(() => token)
  const mints = () => emulator.controls.calls().filter((call) => call.route === 'mint-token')
  const renewals = () => emulator.controls.calls().filter((call) => call.route === 'renew-token')
  const advance = (seconds: number) => {
    now += seconds * 1000
  }
  return { outcomes, emulator, tokens, limits, list, mints, renewals, advance }
}

describe('SMH access token: shared', () => {
  test('one admin token without a user serves all users', async () => {
    const { tokens, limits, list, mints } = await startCustody()
    const used = [await tokens.use(ann, limits(), list), await tokens.use(bob, limits(), list)]
    expect(used[0]).toBe(used[1])
    expect(mints()).toHaveLength(1)
    expect(mints()[0]?.query).toMatchObject({ grant: 'admin', period: '1200' })
    expect(mints()[0]?.query).not.toHaveProperty('user_id')
    expect(mints()[0]?.query).not.toHaveProperty('space_id')
  })

  test('concurrent requests cause one mint', async () => {
    const { tokens, limits, list, mints } = await startCustody()
    await Promise.all(Array.from({ length: 50 }, () => tokens.use(ann, limits(), list)))
    expect(mints()).toHaveLength(1)
  })

  test('on Workers concurrent requests cause a few mints, and later requests none', async () => {
    const { tokens, limits, list, mints } = await startCustody({
      singleFlight: createBoundedFlights(5000),
    })
    await Promise.all(Array.from({ length: 50 }, () => tokens.use(ann, limits(), list)))
    const first = mints().length
    expect(first).toBeLessThanOrEqual(MAX_FLIGHTS)
    await Promise.all(Array.from({ length: 5 }, () => tokens.use(ann, limits(), list)))
    expect(mints()).toHaveLength(first)
  })

  test('a token in use is not replaced', async () => {
    const { tokens, limits, list, mints, advance } = await startCustody()
    for (let use = 0; use < 5; use += 1) {
      await tokens.use(ann, limits(), list)
      advance(1000)
    }
    expect(mints()).toHaveLength(1)
  })

  test('a token is replaced when a tenth of its lifetime is left', async () => {
    const { tokens, limits, list, mints, advance } = await startCustody()
    await tokens.use(ann, limits(), list)
    advance(1079)
    await tokens.use(ann, limits(), list)
    expect(mints()).toHaveLength(1)
    advance(1080)
    await tokens.use(ann, limits(), list)
    expect(mints()).toHaveLength(2)
  })

  test('a failed call does not extend the lifetime', async () => {
    const { tokens, limits, list, mints, advance } = await startCustody()
    await tokens.use(ann, limits(), list)
    advance(600)
    await expect(
      tokens.use(ann, limits(), () => Promise.reject(new Error('lost'))),
    ).rejects.toThrow()
    advance(600)
    await tokens.use(ann, limits(), list)
    expect(mints()).toHaveLength(2)
  })

  test('a token that SMH refuses is replaced once, and all its calls are repeated', async () => {
    const { emulator, tokens, limits, list, mints } = await startCustody()
    const dead = await tokens.use(ann, limits(), list)
    emulator.controls.expireToken()
    const used = await Promise.all(
      Array.from({ length: 20 }, () => tokens.use(ann, limits(), list)),
    )
    expect(new Set(used).size).toBe(1)
    expect(used[0]).not.toBe(dead)
    expect(mints()).toHaveLength(2)
  })

  test('a call replaces a refused token once', async () => {
    const { emulator, tokens, limits, mints } = await startCustody()
    let calls = 0
    const deadToken = new SmhError({
      kind: 'refused',
      status: 403,
      code: 'InvalidAccessToken',
      requestId: undefined,
      retryAfterSeconds: undefined,
    })
    const refused = () => {
      calls += 1
      return Promise.reject(deadToken)
    }
    await expect(tokens.use(ann, limits(), refused)).rejects.toBe(deadToken)
    expect([calls, mints().length]).toEqual([2, 2])
    emulator.controls.clearCalls()
    const lost = new SmhError({ kind: 'connection_lost' })
    await expect(tokens.use(ann, limits(), () => Promise.reject(lost))).rejects.toBe(lost)
    expect(mints()).toHaveLength(0)
  })

  test('a request waits for a mint until its own deadline, and the mint continues for others', async () => {
    const { emulator, tokens, limits, list, mints } = await startCustody()
    emulator.controls.force('mint-token', { delayMs: 300 })
    const hurried = tokens.use(ann, limits(20), list)
    const patient = tokens.use(ann, limits(), list)
    await expect(hurried).rejects.toMatchObject({ failure: { kind: 'timeout' } })
    await expect(patient).resolves.toBeTypeOf('string')
    expect(mints()).toHaveLength(1)
  })

  test('a wrong secret fails each request and is logged as an error', async () => {
    const credential = { kind: 'library-secret', secret: conceal('canary') } as const
    const { tokens, limits, list } = await startCustody({ smh: { credential } })
    const error = await tokens.use(ann, limits(), list).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      failure: { code: 'WrongLibraryIdOrSecret' },
      isLogged: false,
    })
    expect(JSON.stringify(error)).not.toContain('canary')
    await expect(tokens.ready(limits())).rejects.toMatchObject({
      failure: { code: 'WrongLibraryIdOrSecret' },
    })
  })

  test('a refused secret causes one mint and one logged error in five seconds', async () => {
    const credential = { kind: 'library-secret', secret: conceal('canary') } as const
    const { tokens, limits, list, mints, advance } = await startCustody({
      smh: { credential, tokenMode: 'per-user' },
    })
    const isLogged = (owner: typeof ann) =>
      tokens.use(owner, limits(), list).catch((error: SmhError) => error.isLogged)
    expect([await isLogged(ann), await isLogged(ann), await isLogged(bob)]).toEqual([
      false,
      true,
      true,
    ])
    expect(mints()).toHaveLength(1)
    advance(REFUSED_MS / 1000)
    expect(await isLogged(bob)).toBe(false)
    expect(mints()).toHaveLength(2)
  })

  test('the mint names the space if it is fixed', async () => {
    const { tokens, limits, mints } = await startCustody({
      multiTenant: true,
      smh: { space: { kind: 'fixed', id: 'space-1' } },
    })
    await tokens.ready(limits())
    expect(mints()[0]?.query).toMatchObject({ space_id: 'space-1' })
  })
})

describe('SMH access token: per user', () => {
  const perUser = { tokenMode: 'per-user' } as const

  test('each user has one token in each space', async () => {
    const { tokens, limits, mints } = await startCustody({
      multiTenant: true,
      smh: { ...perUser, space: { kind: 'claim', claim: 'tenant' } },
    })
    const keep = async (token: string) => token
    const owners = [
      { userId: 'ann', spaceId: 'space-1' },
      { userId: 'ann', spaceId: 'space-2' },
      { userId: 'bob', spaceId: 'space-1' },
    ]
    const used = new Map<string, string>()
    for (const owner of [...owners, ...owners]) {
      const token = await tokens.use(owner, limits(), keep)
      const name = JSON.stringify(owner)
      expect(used.get(name) ?? token).toBe(token)
      used.set(name, token)
    }
    expect(new Set(used.values()).size).toBe(3)
    expect(mints().map(({ query }) => [query.user_id, query.space_id])).toEqual([
      ['ann', 'space-1'],
      ['ann', 'space-2'],
      ['bob', 'space-1'],
    ])
  })

  test.each([
    [{}, 'upload_file,create_directory'],
    [{ createParents: false }, 'upload_file'],
    [{ conflictStrategies: new Set(['overwrite'] as const) }, 'upload_file_force,create_directory'],
  ])('a token has the least grants: %j', async (rules, grant) => {
    const { tokens, limits, list, mints } = await startCustody({ smh: perUser, rules })
    await tokens.use(ann, limits(), list)
    expect(mints()[0]?.query).toMatchObject({ grant, user_id: 'ann' })
    expect(mints()[0]?.query).not.toHaveProperty('space_id')
  })

  test('the readiness check mints a token without grants and without a user', async () => {
    const { tokens, limits, mints } = await startCustody({ smh: perUser })
    await tokens.ready(limits())
    await tokens.ready(limits())
    expect(mints()).toHaveLength(1)
    expect(mints()[0]?.query).not.toHaveProperty('grant')
    expect(mints()[0]?.query).not.toHaveProperty('user_id')
  })

  test('the readiness check passes when SMH requires a space and a claim provides it', async () => {
    const { tokens, limits, emulator, outcomes } = await startCustody({
      multiTenant: true,
      smh: { ...perUser, space: { kind: 'claim', claim: 'tenant' } },
    })
    await expect(tokens.ready(limits())).resolves.toBeUndefined()
    // A demand for a space is no error to count at each check of a healthy gateway.
    expect(outcomes).toEqual(['ok'])
    emulator.controls.force('mint-token', { status: 500, code: 'InternalServerError', times: 9 })
    await expect(tokens.ready(limits())).rejects.toMatchObject({ failure: { status: 500 } })
  })
})

describe('SMH access token: provided', () => {
  /** Custody of a token that the emulator minted for another user. */
  async function startWithGivenToken() {
    const maker = await startCustody()
    const given = await maker.tokens.use(ann, maker.limits(), maker.list)
    maker.emulator.controls.clearCalls()
    const httpClient = createUndiciClient()
    onTestFinished(() => httpClient.close())
    const send = createSmhTransport(maker.emulator.smhUrl, 5000, httpClient, noMetrics)
    let now = Date.parse('2026-03-04T05:06:07Z')
    const tokens = createAccessTokens({
      smh: {
        libraryId: maker.emulator.libraryId,
        endpoint: maker.emulator.smhUrl,
        credential: { kind: 'access-token', token: conceal(given) },
        tokenMode: 'shared',
        tokenPeriodSeconds: 1200,
        space: { kind: 'fixed', id: '-' },
      },
      upload,
      send,
      monotonicClock: () => now,
      singleFlight: createSingleFlight(),
      timeoutMs: 5000,
    })
    const advance = (seconds: number) => {
      now += seconds * 1000
      maker.advance(seconds)
    }
    return { ...maker, tokens, given, advance }
  }

  test('a provided token is used and never replaced', async () => {
    const { emulator, tokens, limits, list, given, mints, renewals } = await startWithGivenToken()
    expect(await tokens.use(ann, limits(), list)).toBe(given)
    expect(renewals()).toHaveLength(1)
    emulator.controls.expireToken()
    await expect(tokens.use(ann, limits(), list)).rejects.toMatchObject({
      failure: { code: 'InvalidAccessToken' },
      isLogged: false,
    })
    expect(mints()).toHaveLength(0)
  })

  test('an unused token is renewed after half of its idle time', async () => {
    const { tokens, limits, list, given, renewals, advance } = await startWithGivenToken()
    await tokens.keepAlive()
    expect(renewals()).toHaveLength(1)
    advance(599)
    await tokens.keepAlive()
    expect(renewals()).toHaveLength(1)
    advance(2)
    for (let step = 2; step < 6; step += 1) {
      await tokens.keepAlive()
      expect(renewals()).toHaveLength(step)
      advance(601)
    }
    expect(await tokens.use(ann, limits(), list)).toBe(given)
  })

  test('the token of the last renewal is used', async () => {
    const { emulator, tokens, limits, list, given, renewals, advance } = await startWithGivenToken()
    const query = new URLSearchParams({
      library_id: emulator.libraryId,
      library_secret: emulator.librarySecret,
      grant: 'admin',
      period: '1200',
    })
    const another = await (await fetch(`${emulator.smhUrl}/api/v1/token?${query}`)).json()
    emulator.controls.force('renew-token', { status: 200, body: JSON.stringify(another) })
    const { accessToken } = another as { accessToken: string }
    expect(await tokens.use(ann, limits(), list)).toBe(accessToken)
    advance(601)
    await tokens.keepAlive()
    expect(renewals().map(({ path }) => path.split('/').at(-1))).toEqual([given, accessToken])
  })

  test('a failed renewal is repeated', async () => {
    const { emulator, tokens, renewals } = await startWithGivenToken()
    emulator.controls.force('renew-token', { status: 400, code: 'ParamInvalid' })
    await expect(tokens.keepAlive()).rejects.toMatchObject({ failure: { code: 'ParamInvalid' } })
    await tokens.keepAlive()
    expect(renewals()).toHaveLength(2)
  })
})

test('SMH access token: a minted token is not renewed', async () => {
  const { tokens, mints, emulator } = await startCustody()
  await tokens.keepAlive()
  expect([mints().length, emulator.controls.calls().length]).toEqual([0, 0])
})
