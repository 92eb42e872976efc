import { describe, expect, test } from 'vitest'
import { ann, bob, type Harness, type RequestOptions, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

async function list(harness: Harness, options: RequestOptions = {}) {
  const response = await harness.request('GET', '/v1/uploads', options)
  expect(response.status).toBe(200)
  const { uploads } = (await response.json()) as { uploads: Record<string, unknown>[] }
  return uploads
}

const namesOf = (uploads: Record<string, unknown>[]) => uploads.map(({ path }) => path)

describe('listUploads', () => {
  test('a user without uploads gets an empty list', async () => {
    const harness = await startHarness()
    const response = await harness.request('GET', '/v1/uploads')
    expect(await response.json()).toEqual({ uploads: [] })
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('lists the open uploads, newest first, with the fields of begin', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_AGE_SECONDS: '3600' } })
    const first = await harness.begin({ path: '/folder/a.txt', size: 5 })
    harness.advance(2000)
    const second = await harness.begin({ path: 'b.txt', size: 0, method: 'simple' })
    const uploads = await list(harness)
    expect(uploads).toEqual([
      {
        confirmKey: second.confirmKey,
        path: ['b.txt'],
        size: 0,
        method: 'simple',
        beganAt: expect.any(String),
        endsAt: expect.any(String),
      },
      expect.objectContaining({
        confirmKey: first.confirmKey,
        path: ['folder', 'a.txt'],
        size: 5,
        method: 'multipart',
      }),
    ])
    const [beganAt, endsAt] = [uploads[0]?.beganAt, uploads[0]?.endsAt].map((time) =>
      Date.parse(time as string),
    )
    expect(Math.abs((beganAt ?? 0) - harness.clock())).toBeLessThan(60_000)
    expect((endsAt ?? 0) - (beganAt ?? 0)).toBe(3600_000)
  })

  test('an upload leaves the list when it is complete, aborted or ended', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_AGE_SECONDS: '3600' } })
    const completed = await harness.uploadParts('completed', [new Uint8Array(3)])
    const aborted = await harness.begin({ path: 'aborted', size: 3 })
    await harness.begin({ path: 'ends', size: 3 })
    expect(namesOf(await list(harness))).toEqual([['ends'], ['aborted'], ['completed']])
    await harness.complete(completed)
    expect(namesOf(await list(harness))).toEqual([['ends'], ['aborted']])
    await harness.request('DELETE', `/v1/uploads/${aborted.confirmKey}`)
    expect(namesOf(await list(harness))).toEqual([['ends']])
    harness.advance(3600_000)
    expect(await list(harness)).toEqual([])
  })

  test('an upload that SMH no longer knows leaves the list with the next request for it', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'gone', size: 3 })
    harness.emulator.controls.force('status', {
      status: 404,
      body: JSON.stringify({ code: 'UploadNotFound' }),
    })
    await expectProblem(
      await harness.request('GET', `/v1/uploads/${confirmKey}`),
      404,
      'upload_not_found',
    )
    expect(await list(harness)).toEqual([])
  })

  test('an upload that another client completed leaves the list with its status', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a', [new Uint8Array(3)])
    const other = await harness.startAnother({})
    expect((await harness.complete(upload, { on: other })).status).toBe(200)
    await harness.request('GET', `/v1/uploads/${upload.confirmKey}`)
    expect(await list(harness)).toEqual([])
  })

  test('a user sees no upload of another user', async () => {
    const harness = await startHarness()
    await harness.begin({ path: 'a', size: 3 }, { as: ann })
    expect(await list(harness, { as: bob })).toEqual([])
  })

  test('a token for another space does not list uploads that it cannot use', async () => {
    const harness = await startHarness({
      emulator: { multiTenant: true, spaces: ['one', 'two'] },
      environment: { SMH_SPACE_CLAIM: 'space' },
    })
    const one = { ...ann, claims: { space: 'one' } }
    const two = { ...ann, claims: { space: 'two' } }
    await harness.begin({ path: 'a', size: 3 }, { as: one })
    expect(namesOf(await list(harness, { as: one }))).toEqual([['a']])
    expect(await list(harness, { as: two })).toEqual([])
  })

  test('a token for another folder does not list the uploads of this one', async () => {
    const harness = await startHarness({
      environment: { UPLOAD_PATH_PREFIX: 'tenants/{tenant}' },
    })
    await harness.begin({ path: 'a', size: 3 }, { as: { ...ann, claims: { tenant: 'one' } } })
    expect(await list(harness, { as: { ...ann, claims: { tenant: 'two' } } })).toEqual([])
  })

  test('a stored file with another checksum than the client names has left the list', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a', [new Uint8Array(3)])
    const other = await harness.startAnother({})
    expect((await harness.complete(upload, { on: other })).status).toBe(200)
    const response = await harness.complete(upload, { body: { crc64: '1' } })
    await expectProblem(response, 422, 'checksum_mismatch')
    expect(await list(harness)).toEqual([])
  })

  test('many long lists return 429 with Retry-After, to this user only', async () => {
    const environment = { RATE_LIMIT_PER_MINUTE: '0', UPLOAD_MAX_OPEN: '1000' }
    const harness = await startHarness({ environment })
    let response = await harness.request('GET', '/v1/uploads')
    // Twenty lists of the longest length at once. An empty one costs nothing.
    expect(response.status).toBe(200)
    const begins = Array.from({ length: 200 }, (_, index) =>
      harness.begin({ path: `${index}`, size: 3 }),
    )
    await Promise.all(begins)
    for (let times = 0; times < 200 && response.status === 200; times += 1) {
      response = await harness.request('GET', '/v1/uploads')
    }
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expectProblem(response, 429, 'rate_limited')
    expect(await list(harness, { as: bob })).toEqual([])
  })

  test('a rejected begin is not listed', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('begin-multipart', { status: 500 })
    await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 } })
    expect(await list(harness)).toEqual([])
  })

  test('needs a token', async () => {
    const harness = await startHarness()
    const response = await harness.request('GET', '/v1/uploads', { as: null })
    await expectProblem(response, 401, 'missing_token')
  })
})

describe('UPLOAD_MAX_OPEN', () => {
  const begin = (harness: Harness, options: RequestOptions = {}) =>
    harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 }, ...options })

  test('at the limit begin returns 429 until an upload is complete or aborted', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '2' } })
    const first = await harness.uploadParts('a', [new Uint8Array(3)])
    const second = await harness.begin({ path: 'b', size: 3 })
    const refused = await begin(harness)
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expectProblem(refused, 429, 'too_many_open_uploads')
    expect((await begin(harness, { as: bob })).status).toBe(201)
    await harness.complete(first)
    expect((await begin(harness)).status).toBe(201)
    await expectProblem(await begin(harness), 429, 'too_many_open_uploads')
    await harness.request('DELETE', `/v1/uploads/${second.confirmKey}`)
    expect((await begin(harness)).status).toBe(201)
    expect(await list(harness)).toHaveLength(2)
  })

  test('of twenty begins at once, as many as the limit succeed', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '10' } })
    const responses = await Promise.all(Array.from({ length: 20 }, () => begin(harness)))
    const statuses = responses.map(({ status }) => status).sort()
    expect(statuses).toEqual([...Array(10).fill(201), ...Array(10).fill(429)])
    expect(harness.emulator.controls.openTasks()).toHaveLength(10)
  })

  test('an upload that has reached its own end frees its place', async () => {
    const environment = { UPLOAD_MAX_OPEN: '1', UPLOAD_MAX_AGE_SECONDS: '3600' }
    const harness = await startHarness({ environment })
    expect((await begin(harness)).status).toBe(201)
    await expectProblem(await begin(harness), 429, 'too_many_open_uploads')
    harness.advance(3600_000)
    expect((await begin(harness)).status).toBe(201)
  })

  test('a begin that fails in SMH takes no place', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '1' } })
    harness.emulator.controls.force('begin-multipart', { status: 500 })
    expect((await begin(harness)).status).toBe(502)
    expect((await begin(harness)).status).toBe(201)
  })

  test('an instant upload counts only when it has to be sent', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '1' } })
    const body = { path: 'a', size: 3, beginningHash: 'a'.repeat(64) }
    const instant = () => harness.request('POST', '/v1/instant-uploads', { body })
    expect((await instant()).status).toBe(200)
    await expectProblem(await instant(), 429, 'too_many_open_uploads')
  })

  // Hundreds of begins take long in workerd on a busy machine.
  test('0 switches the limit off', { timeout: 90_000 }, async () => {
    const environment = { UPLOAD_MAX_OPEN: '0', RATE_LIMIT_PER_MINUTE: '0' }
    const harness = await startHarness({ environment })
    for (let times = 0; times < 205; times += 1) {
      expect((await begin(harness)).status).toBe(201)
    }
    expect(await list(harness)).toHaveLength(200)
  })
})
