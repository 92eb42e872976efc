import { describe, expect, test } from 'vitest'
import { bob, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const good = { path: 'a.txt', size: 5 }

describe('SMH_TOKEN_MODE shared', () => {
  test('one admin token without a user serves all users', async () => {
    const harness = await startHarness()
    await harness.begin(good)
    await harness.begin(good, { as: bob })
    const mints = harness.smhCalls('mint-token')
    expect(mints.map(({ query }) => query)).toEqual([
      {
        library_id: harness.emulator.libraryId,
        library_secret: harness.emulator.librarySecret,
        period: '3600',
        grant: 'admin',
      },
    ])
    const owners = harness.emulator.controls.openTasks().map(({ userId }) => userId)
    expect(owners).toEqual(['ann', 'bob'])
  })

  test('a fixed space is named in the mint call', async () => {
    const harness = await startHarness({
      environment: { SMH_SPACE_ID: 'space-a', SMH_TOKEN_PERIOD_SECONDS: '1200' },
      emulator: { multiTenant: true, spaces: ['space-a'] },
    })
    await harness.begin(good)
    const [mint] = harness.smhCalls('mint-token')
    expect(mint?.query).toMatchObject({ space_id: 'space-a', period: '1200', grant: 'admin' })
  })
})

describe('SMH_TOKEN_MODE per-user', () => {
  const perUser = { SMH_TOKEN_MODE: 'per-user' }

  test('each user has a token of their own with the least grants', async () => {
    const harness = await startHarness({ environment: perUser })
    await harness.begin(good)
    await harness.begin(good)
    await harness.begin(good, { as: bob })
    const mints = harness.smhCalls('mint-token').map(({ query }) => [query.user_id, query.grant])
    expect(mints).toEqual([
      ['ann', 'upload_file,create_directory'],
      ['bob', 'upload_file,create_directory'],
    ])
    const tokens = harness.smhCalls('begin-multipart').map(({ query }) => query.access_token)
    expect(new Set(tokens).size).toBe(2)
    const owners = harness.emulator.controls.openTasks().map(({ userId }) => userId)
    expect(owners).toEqual(['ann', 'ann', 'bob'])
  })

  test.each<[environment: Record<string, string>, grant: string]>([
    [{ UPLOAD_CONFLICT_STRATEGIES: 'rename,overwrite' }, 'upload_file_force,create_directory'],
    [{ UPLOAD_CREATE_PARENTS: 'false', UPLOAD_PATH_PREFIX: '/' }, 'upload_file'],
  ])('%j: the token has the grants %s', async (environment, grant) => {
    const harness = await startHarness({ environment: { ...perUser, ...environment } })
    await harness.begin(good)
    expect(harness.smhCalls('mint-token').map(({ query }) => query.grant)).toEqual([grant])
  })

  test('each space has a token of its own', async () => {
    const harness = await startHarness({
      environment: { ...perUser, SMH_SPACE_CLAIM: 'tenant' },
      emulator: { multiTenant: true, spaces: ['space-a', 'space-b'] },
    })
    for (const tenant of ['space-a', 'space-b']) {
      await harness.begin(good, { as: { sub: 'ann', claims: { tenant } } })
    }
    expect(harness.smhCalls('mint-token').map(({ query }) => query.space_id)).toEqual([
      'space-a',
      'space-b',
    ])
  })

  test('a whole upload works with a per-user token', async () => {
    const harness = await startHarness({ environment: perUser })
    const upload = await harness.uploadParts('a/b.txt', [new Uint8Array(3)])
    const path = `/v1/uploads/${upload.confirmKey}`
    expect((await harness.request('GET', path)).status).toBe(200)
    expect((await harness.request('POST', `${path}/renew`)).status).toBe(200)
    expect((await harness.complete(upload)).status).toBe(200)
    const other = await harness.begin(good)
    const aborted = await harness.request('DELETE', `/v1/uploads/${other.confirmKey}`)
    expect(aborted.status).toBe(204)
  })

  test('a missing grant returns 502, and the log has an error', async () => {
    const harness = await startHarness({ environment: perUser })
    harness.emulator.controls.force('begin-multipart', { status: 403, code: 'NoPermission' })
    const response = await harness.request('POST', '/v1/uploads', { body: good })
    await expectProblem(response, 502, 'upstream_error')
    expect((await harness.records()).at(-1)).toMatchObject({
      level: 'error',
      smhCode: 'NoPermission',
    })
  })
})
