import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { ann, type Bench, startBench } from '../support/gateway.ts'
import { expectProblem } from '../support/problems.ts'

const good = { path: 'a.txt', size: 5 }

describe('a rule of the operator', () => {
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
    const bench = await startBench({ environment })
    const no = await bench.request('POST', '/v1/uploads', { body: { ...good, ...refused } })
    const { detail } = await expectProblem(no, 403, 'not_permitted')
    expect(detail).toMatch(/extension|conflictResolutionStrategy/)
    expect(bench.smhCalls()).toEqual([])
    await bench.begin({ ...good, ...permitted })
    expect(bench.emulator.controls.openTasks()).toHaveLength(1)
  })

  test('UPLOAD_MAX_BYTES is the last size that may be declared', async () => {
    const bench = await startBench({ environment: { UPLOAD_MAX_BYTES: '1000' } })
    const no = await bench.request('POST', '/v1/uploads', { body: { ...good, size: 1001 } })
    const problem = await expectProblem(no, 413, 'file_too_large')
    expect(problem.detail).toContain('1000')
    expect(bench.smhCalls()).toEqual([])
    await bench.begin({ ...good, size: 1000 })
  })

  test.each<[ceiling: string | undefined, wanted: number | undefined, asked: string | undefined]>([
    [undefined, undefined, undefined],
    [undefined, 300_000, '300000'],
    ['200000', undefined, '200000'],
    ['200000', 300_000, '200000'],
    ['200000', 150_000, '150000'],
  ])(
    'UPLOAD_TRAFFIC_LIMIT %s and a wish of %s: SMH is asked for %s',
    async (most, wanted, asked) => {
      const bench = await startBench({ environment: most ? { UPLOAD_TRAFFIC_LIMIT: most } : {} })
      const { confirmKey } = await bench.begin({ ...good, trafficLimit: wanted })
      expect(bench.smhCalls('begin-multipart').at(-1)?.query.traffic_limit).toBe(asked)
      const path = `/v1/uploads/${confirmKey}/renew`
      const renewed = await bench.request('POST', path, { body: { trafficLimit: wanted } })
      expect(renewed.status).toBe(200)
      expect(bench.smhCalls('renew').at(-1)?.query.traffic_limit).toBe(asked)
    },
  )
})

describe('metadata headers', () => {
  const begin = (bench: Bench, headers: Record<string, string>) =>
    bench.request('POST', '/v1/uploads', { body: good, headers })
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-smh-meta-k${index}`, 'v']))
  const sized = (bytes: number) => ({ 'x-smh-meta-k': 'v'.repeat(bytes - 'x-smh-meta-k'.length) })

  test('only the keys that may be used, in any case', async () => {
    const bench = await startBench({ environment: { UPLOAD_META_KEYS: 'Origin,title' } })
    const no = await begin(bench, { 'x-smh-meta-more': '1' })
    expect((await expectProblem(no, 403, 'not_permitted')).detail).toContain('metadata key')
    expect(bench.smhCalls()).toEqual([])
    const yes = await begin(bench, { 'X-SMH-META-ORIGIN': 'camera', 'x-smh-meta-title': 't' })
    expect(yes.status).toBe(201)
  })

  test('twenty, and not one more', async () => {
    const bench = await startBench()
    await expectProblem(await begin(bench, many(21)), 431, 'metadata_too_large')
    expect(bench.smhCalls()).toEqual([])
    expect((await begin(bench, many(20))).status).toBe(201)
  })

  test('2 KiB of names and values, and not a byte more', async () => {
    const bench = await startBench()
    await expectProblem(await begin(bench, sized(2049)), 431, 'metadata_too_large')
    expect(bench.smhCalls()).toEqual([])
    expect((await begin(bench, sized(2048))).status).toBe(201)
  })

  test.each([
    ['x-smh-meta-', 'v', 'x-smh-meta-*'],
    ['x-smh-meta-a!b', 'v', 'x-smh-meta-*'],
    ['x-smh-meta--a', 'v', 'x-smh-meta-*'],
    ['x-smh-meta-a', 'caf\u00e9', 'x-smh-meta-a'],
    ['x-smh-meta-a', 'a\tb', 'x-smh-meta-a'],
  ])('%s: %j is refused', async (name, value, field) => {
    const bench = await startBench()
    const { status, problem } = await beginRaw(bench, name, value)
    expect([status, problem.code]).toEqual([400, 'invalid_request'])
    expect(problem.errors).toEqual([{ field, message: expect.any(String) }])
    expect(bench.smhCalls()).toEqual([])
  })

  test('are stored with the file and told at the end', async () => {
    const bench = await startBench()
    const stored = await bench.upload('a.txt', [new Uint8Array(3)], {
      headers: { 'X-Smh-Meta-Title': '%E7%85%A7', 'x-smh-meta-empty': '' },
    })
    const metaData = { 'x-smh-meta-title': '%E7%85%A7', 'x-smh-meta-empty': '' }
    expect(stored.metaData).toEqual(metaData)
    expect(bench.emulator.controls.files()[0]?.metaData).toEqual(metaData)
  })
})

describe('a space of one’s own', () => {
  const multiTenant = { multiTenant: true, spaces: ['space-a', 'space-b'] }
  const environment = { SMH_SPACE_CLAIM: 'tenant', UPLOAD_PATH_PREFIX: '/' }
  const of = (tenant: unknown) => ({ sub: 'ann', claims: { tenant } })

  test('comes from the claim', async () => {
    const bench = await startBench({ environment, emulator: multiTenant })
    await bench.begin(good, { as: of('space-a') })
    await bench.begin(good, { as: of('space-b') })
    const spaces = bench.emulator.controls.openTasks().map(({ spaceId }) => spaceId)
    expect(spaces).toEqual(['space-a', 'space-b'])
    expect(bench.smhCalls('begin-multipart').map(({ path }) => path)).toEqual([
      '/api/v1/file/smh0emulated/space-a/a.txt',
      '/api/v1/file/smh0emulated/space-b/a.txt',
    ])
  })

  test.each([undefined, '', '-', 'a/b', '../space-b', 'space-a,space-b', 5, ['space-a'], null])(
    'a claim of %j is none',
    async (tenant) => {
      const bench = await startBench({ environment, emulator: multiTenant })
      const response = await bench.request('POST', '/v1/uploads', { body: good, as: of(tenant) })
      const { detail } = await expectProblem(response, 403, 'not_permitted')
      expect(detail).toContain('space')
      expect(bench.smhCalls()).toEqual([])
    },
  )

  test('one that SMH does not have is for the operator to mend', async () => {
    const bench = await startBench({ environment, emulator: multiTenant })
    const response = await bench.request('POST', '/v1/uploads', { body: good, as: of('space-c') })
    await expectProblem(response, 502, 'upstream_error')
    expect((await bench.records()).at(-1)).toMatchObject({
      level: 'error',
      smhCode: 'SpaceNotFound',
    })
  })

  test('a folder claim that is missing is refused as well', async () => {
    const bench = await startBench({ environment: { UPLOAD_PATH_PREFIX: 'teams/{team}' } })
    const response = await bench.request('POST', '/v1/uploads', { body: good })
    await expectProblem(response, 403, 'not_permitted')
    await bench.begin(good, { as: { sub: 'ann', claims: { team: 'red' } } })
    expect(bench.emulator.controls.openTasks()[0]?.path).toEqual(['teams', 'red', 'a.txt'])
  })
})

/** By node:http, which sends header values as they are. */
async function beginRaw(bench: Bench, name: string, value: string) {
  const token = await bench.issuer.token(ann)
  return new Promise<{ status: number | undefined; problem: { code: string; errors: unknown } }>(
    (resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const call = request(`${bench.gateway.url}/v1/uploads`, { method: 'POST', headers })
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
