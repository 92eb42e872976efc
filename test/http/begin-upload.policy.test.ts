import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { ann, type Harness, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const good = { path: 'a.txt', size: 5 }

describe('policy', () => {
  test.each<[rule: Record<string, string>, refused: object, permitted: object]>([
    [{ UPLOAD_ALLOWED_EXTENSIONS: 'jpg,.MP4' }, { path: 'a.txt' }, { path: 'a.JPG' }],
    [{ UPLOAD_ALLOWED_EXTENSIONS: 'jpg,.MP4' }, { path: 'jpg' }, { path: 'a.b.mp4' }],
    [{ UPLOAD_ALLOWED_EXTENSIONS: 'jpg' }, { path: 'a.jpg/b.txt' }, { path: 'a.txt/b.jpg' }],
    [{ UPLOAD_ALLOWED_EXTENSIONS: 'jpg' }, { path: '.jpg' }, { path: 'é.jpg' }],
    [{}, { conflictResolutionStrategy: 'overwrite' }, { conflictResolutionStrategy: 'ask' }],
    [
      { UPLOAD_CONFLICT_STRATEGIES: 'ask' },
      { conflictResolutionStrategy: 'rename' },
      { conflictResolutionStrategy: 'ask' },
    ],
    [{ UPLOAD_CONFLICT_STRATEGIES: 'ask' }, {}, { conflictResolutionStrategy: 'ask' }],
  ])('%j refuses %j and permits %j', async (environment, refused, permitted) => {
    const harness = await startHarness({ environment })
    const no = await harness.request('POST', '/v1/uploads', { body: { ...good, ...refused } })
    const { detail } = await expectProblem(no, 403, 'not_permitted')
    expect(detail).toMatch(/extension|conflictResolutionStrategy/)
    expect(harness.smhCalls()).toEqual([])
    await harness.begin({ ...good, ...permitted })
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })

  test('UPLOAD_MAX_BYTES is the largest size that a client may declare', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: '1000' } })
    const no = await harness.request('POST', '/v1/uploads', { body: { ...good, size: 1001 } })
    const problem = await expectProblem(no, 413, 'file_too_large')
    expect(problem.detail).toContain('1000')
    expect(harness.smhCalls()).toEqual([])
    await harness.begin({ ...good, size: 1000 })
  })

  test.each<[ceiling: string | undefined, wanted: number | undefined, asked: string | undefined]>([
    [undefined, undefined, undefined],
    [undefined, 300_000, '300000'],
    ['200000', undefined, '200000'],
    ['200000', 300_000, '200000'],
    ['200000', 150_000, '150000'],
  ])(
    'UPLOAD_TRAFFIC_LIMIT %s and a requested limit of %s: SMH receives %s',
    async (most, wanted, asked) => {
      const harness = await startHarness({
        environment: most ? { UPLOAD_TRAFFIC_LIMIT: most } : {},
      })
      const { confirmKey } = await harness.begin({ ...good, trafficLimit: wanted })
      expect(harness.smhCalls('begin-multipart').at(-1)?.query.traffic_limit).toBe(asked)
      const path = `/v1/uploads/${confirmKey}/renew`
      const renewed = await harness.request('POST', path, { body: { trafficLimit: wanted } })
      expect(renewed.status).toBe(200)
      expect(harness.smhCalls('renew').at(-1)?.query.traffic_limit).toBe(asked)
    },
  )
})

describe('metadata headers', () => {
  const begin = (harness: Harness, headers: Record<string, string>) =>
    harness.request('POST', '/v1/uploads', { body: good, headers })
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-smh-meta-k${index}`, 'v']))
  const sized = (bytes: number) => ({ 'x-smh-meta-k': 'v'.repeat(bytes - 'x-smh-meta-k'.length) })

  test('only allowed keys pass, in any letter case', async () => {
    const harness = await startHarness({ environment: { UPLOAD_META_KEYS: 'Origin,title' } })
    const no = await begin(harness, { 'x-smh-meta-more': '1' })
    expect((await expectProblem(no, 403, 'not_permitted')).detail).toContain('metadata key')
    expect(harness.smhCalls()).toEqual([])
    const yes = await begin(harness, { 'X-SMH-META-ORIGIN': 'camera', 'x-smh-meta-title': 't' })
    expect(yes.status).toBe(201)
  })

  test('twenty pass, twenty-one are refused', async () => {
    const harness = await startHarness()
    await expectProblem(await begin(harness, many(21)), 431, 'metadata_too_large')
    expect(harness.smhCalls()).toEqual([])
    expect((await begin(harness, many(20))).status).toBe(201)
  })

  test('2 KiB of names and values pass, one byte more is refused', async () => {
    const harness = await startHarness()
    await expectProblem(await begin(harness, sized(2049)), 431, 'metadata_too_large')
    expect(harness.smhCalls()).toEqual([])
    expect((await begin(harness, sized(2048))).status).toBe(201)
  })

  test.each([
    ['x-smh-meta-', 'v', 'x-smh-meta-*'],
    ['x-smh-meta-a!b', 'v', 'x-smh-meta-*'],
    ['x-smh-meta--a', 'v', 'x-smh-meta-*'],
    ['x-smh-meta-a', 'caf\u00e9', 'x-smh-meta-a'],
    ['x-smh-meta-a', 'a\tb', 'x-smh-meta-a'],
  ])('%s: %j is refused', async (name, value, field) => {
    const harness = await startHarness()
    const { status, problem } = await beginRaw(harness, name, value)
    expect([status, problem.code]).toEqual([400, 'invalid_request'])
    expect(problem.errors).toEqual([{ field, message: expect.any(String) }])
    expect(harness.smhCalls()).toEqual([])
  })

  test('are stored with the file and returned by complete', async () => {
    const harness = await startHarness()
    const stored = await harness.upload('a.txt', [new Uint8Array(3)], {
      headers: { 'X-Smh-Meta-Title': '%E7%85%A7', 'x-smh-meta-empty': '' },
    })
    const metaData = { 'x-smh-meta-title': '%E7%85%A7', 'x-smh-meta-empty': '' }
    expect(stored.metaData).toEqual(metaData)
    expect(harness.emulator.controls.files()[0]?.metaData).toEqual(metaData)
  })
})

describe('SMH_SPACE_CLAIM', () => {
  const multiTenant = { multiTenant: true, spaces: ['space-a', 'space-b'] }
  const environment = { SMH_SPACE_CLAIM: 'tenant', UPLOAD_PATH_PREFIX: '/' }
  const of = (tenant: unknown) => ({ sub: 'ann', claims: { tenant } })

  test('the space comes from the claim', async () => {
    const harness = await startHarness({ environment, emulator: multiTenant })
    await harness.begin(good, { as: of('space-a') })
    await harness.begin(good, { as: of('space-b') })
    const spaces = harness.emulator.controls.openTasks().map(({ spaceId }) => spaceId)
    expect(spaces).toEqual(['space-a', 'space-b'])
    expect(harness.smhCalls('begin-multipart').map(({ path }) => path)).toEqual([
      '/api/v1/file/smh0emulated/space-a/a.txt',
      '/api/v1/file/smh0emulated/space-b/a.txt',
    ])
  })

  test.each([undefined, '', '-', 'a/b', '../space-b', 'space-a,space-b', 5, ['space-a'], null])(
    'a claim of %j returns 403',
    async (tenant) => {
      const harness = await startHarness({ environment, emulator: multiTenant })
      const response = await harness.request('POST', '/v1/uploads', { body: good, as: of(tenant) })
      const { detail } = await expectProblem(response, 403, 'not_permitted')
      expect(detail).toContain('space')
      expect(harness.smhCalls()).toEqual([])
    },
  )

  test('a space that SMH does not have returns 502, and the log says why', async () => {
    const harness = await startHarness({ environment, emulator: multiTenant })
    const response = await harness.request('POST', '/v1/uploads', { body: good, as: of('space-c') })
    await expectProblem(response, 502, 'upstream_error')
    expect((await harness.records()).at(-1)).toMatchObject({
      level: 'error',
      smhCode: 'SpaceNotFound',
    })
  })

  test('a missing claim for the folder returns 403', async () => {
    const harness = await startHarness({ environment: { UPLOAD_PATH_PREFIX: 'teams/{team}' } })
    const response = await harness.request('POST', '/v1/uploads', { body: good })
    await expectProblem(response, 403, 'not_permitted')
    await harness.begin(good, { as: { sub: 'ann', claims: { team: 'red' } } })
    expect(harness.emulator.controls.openTasks()[0]?.path).toEqual(['teams', 'red', 'a.txt'])
  })
})

/** By node:http, which sends header values as they are. */
async function beginRaw(harness: Harness, name: string, value: string) {
  const token = await harness.issuer.token(ann)
  return new Promise<{ status: number | undefined; problem: { code: string; errors: unknown } }>(
    (resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const call = request(`${harness.gateway.url}/v1/uploads`, { method: 'POST', headers })
      call.setHeader(name, value)
      call.once('error', reject)
      call.once('response', async (response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode, problem: JSON.parse(text) })
      })
      call.end(JSON.stringify(good))
    },
  )
}
