import { describe, expect, test } from 'vitest'
import { bob, MiB, startHarness } from '../support/harness.ts'
import { onBun } from '../support/launch.ts'
import { expectProblem } from '../support/problems.ts'

describe('begin: 201', () => {
  test('has exactly the fields that a client needs to send parts', async () => {
    const harness = await startHarness()
    const response = await harness.request('POST', '/v1/uploads', {
      body: { path: 'a.txt', size: 5, trafficLimit: 204_800 },
    })
    expect(response.status).toBe(201)
    const [task] = harness.emulator.controls.openTasks()
    const body = await response.json()
    expect(body).toEqual({
      domain: harness.emulator.cosUrl.replace('http://', ''),
      path: expect.stringMatching(/^\//),
      uploadId: task?.uploadId,
      headers: {
        'Content-Type': 'application/octet-stream',
        Authorization: expect.stringMatching(/^q-sign-algorithm=/),
        'x-cos-security-token': expect.any(String),
        'x-cos-traffic-limit': expect.stringMatching(/^\d+$/),
      },
      confirmKey: expect.stringMatching(/^[\w.-]{1,512}$/),
    })
    expect(response.headers.get('location')).toBe(`/v1/uploads/${body.confirmKey}`)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('Upload-Expires is the expiration that SMH returned', async () => {
    const harness = await startHarness({ emulator: { credentialTtlSeconds: 77 } })
    const earliest = Math.floor(harness.clock() / 1000) + 77
    const response = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 5 } })
    const expires = response.headers.get('upload-expires') ?? ''
    expect(expires).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
    const signed = (await response.json()).headers.Authorization as string
    const end = Number(/q-sign-time=\d+;(\d+)/.exec(signed)?.[1])
    expect(Date.parse(expires) / 1000).toBe(end)
    expect(end).toBeGreaterThanOrEqual(earliest)
    // By the gateway's clock: a client's own may be off.
    const saidAt = Date.parse(response.headers.get('date') ?? '') / 1000
    expect(end - saidAt).toBeGreaterThanOrEqual(76)
    expect(end - saidAt).toBeLessThanOrEqual(78)
  })

  test("the response does not contain SMH's confirm key, and two begins return different keys", async () => {
    const harness = await startHarness()
    const first = await harness.begin({ path: 'a', size: 5 })
    const second = await harness.begin({ path: 'a', size: 5 })
    const tasks = harness.emulator.controls.openTasks()
    expect(
      new Set([first.confirmKey, second.confirmKey, first.uploadId, second.uploadId]).size,
    ).toBe(4)
    for (const { confirmKey } of tasks) {
      expect(JSON.stringify([first, second])).not.toContain(confirmKey)
    }
  })

  test.each([200, 201] as const)('SMH may return %d for a new task', async (beginStatus) => {
    const harness = await startHarness()
    harness.emulator.controls.setVariant({ beginStatus })
    const response = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 5 } })
    expect(response.status).toBe(201)
    expect(Object.keys(await response.json()).sort()).toEqual([
      'confirmKey',
      'domain',
      'headers',
      'path',
      'uploadId',
    ])
  })
})

describe('begin: the call to SMH', () => {
  test('has user, size, strategy and token, but no unnecessary body', async () => {
    const harness = await startHarness()
    await harness.begin({ path: 'a b.txt', size: 7 }, { as: bob })
    // The first begin met no folder, so the one that counts is the last.
    const call = harness.smhCalls('begin-multipart').at(-1)
    expect(call).toMatchObject({ method: 'POST', bodyBytes: 0, status: 201 })
    expect(call?.path).toBe('/api/v1/file/smh0emulated/-/users/bob/a%20b.txt')
    expect(call?.query).toEqual({
      multipart: '',
      filesize: '7',
      conflict_resolution_strategy: 'rename',
      user_id: 'bob',
      access_token: expect.stringMatching(/^acctk/),
    })
    expect(call?.headers).not.toHaveProperty('content-type')
    expect(harness.emulator.controls.openTasks()).toMatchObject([{ userId: 'bob' }])
  })

  test('has the metadata headers unchanged and no other header of the request', async () => {
    const harness = await startHarness()
    await harness.begin(
      { path: 'a.txt', size: 7 },
      {
        headers: {
          'X-SMH-Meta-Origin': 'camera; q="1"',
          'x-smh-meta-title': '%E7%85%A7%E7%89%87',
          'x-smh-other': 'no',
          cookie: 'session=1',
          'idempotency-key': 'again',
        },
      },
    )
    const headers = harness.smhCalls('begin-multipart').at(-1)?.headers ?? {}
    expect(headers['x-smh-meta-origin']).toBe('camera; q="1"')
    expect(headers['x-smh-meta-title']).toBe('%E7%85%A7%E7%89%87')
    // What each runtime says of its connection; workerd adds the Worker's zone and asks for no cache.
    const ofRuntime = ['connection', 'cf-worker', 'cache-control', 'pragma']
    if (onBun) ofRuntime.push('accept', 'accept-encoding', 'user-agent')
    const own = Object.keys(headers).filter((name) => !ofRuntime.includes(name))
    expect(own.sort()).toEqual(['content-length', 'host', 'x-smh-meta-origin', 'x-smh-meta-title'])
  })

  test('has each requested option in the expected field', async () => {
    const harness = await startHarness({ environment: { UPLOAD_CONFLICT_STRATEGIES: 'overwrite' } })
    const details = {
      labels: ['holiday', '海'],
      category: 'photo',
      localCreationTime: '2026-01-02T03:04:05Z',
      localModificationTime: '2026-01-02T03:04:05+08:00',
    }
    await harness.begin({
      path: 'a.txt',
      size: MiB,
      conflictResolutionStrategy: 'overwrite',
      trafficLimit: 102_400,
      preferSameOrigin: true,
      ...details,
    })
    const call = harness.smhCalls('begin-multipart').at(-1)
    expect(call?.query).toMatchObject({
      conflict_resolution_strategy: 'overwrite',
      traffic_limit: '102400',
      prefer_same_origin: 'true',
    })
    expect(JSON.parse(call?.body ?? '')).toEqual(details)
    expect(call?.headers['content-type']).toBe('application/json')
  })

  test('is the only call when the folder exists', async () => {
    const harness = await startHarness({ environment: { UPLOAD_PATH_PREFIX: '/' } })
    await harness.begin({ path: 'a.txt', size: 7 })
    expect(harness.smhCalls().map(({ route }) => route)).toEqual(['mint-token', 'begin-multipart'])
  })
})

describe('begin: a refusal from SMH', () => {
  test('a full quota returns 507, and 201 once there is room', async () => {
    const harness = await startHarness({ environment: { UPLOAD_PATH_PREFIX: '/' } })
    harness.emulator.controls.setQuota('-', 1000)
    const full = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 1001 } })
    await expectProblem(full, 507, 'quota_exceeded')
    const fits = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 1000 } })
    expect(fits.status).toBe(201)
  })

  test.each([
    [451, 'SensitiveContentRecognized', 451, 'content_refused'],
    [400, 'IllegalFileName', 400, 'invalid_request'],
    [400, 'ExtnameNotAllowed', 400, 'invalid_request'],
    [409, 'ContentCasConflict', 409, 'name_conflict'],
    [403, 'NoPermission', 502, 'upstream_error'],
    [403, 'AccessTokenNotMatchSpace', 502, 'upstream_error'],
    [404, 'SpaceNotFound', 502, 'upstream_error'],
    [403, 'SpaceBanned', 502, 'upstream_error'],
    [418, 'NeverHeardOf', 502, 'upstream_error'],
  ] as const)('%d %s becomes %d %s', async (status, smhCode, ours, code) => {
    const harness = await startHarness()
    harness.emulator.controls.force('begin-multipart', { status, code: smhCode })
    const response = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 1 } })
    const problem = await expectProblem(response, ours, code)
    expect(JSON.stringify(problem)).not.toContain(smhCode)
    expect(harness.smhCalls('begin-multipart')).toHaveLength(1)
    expect((await harness.records()).find(({ event }) => event === 'request')).toMatchObject({
      status: ours,
      smhStatus: status,
      smhCode,
      smhRequestId: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
  })

  test.each([
    ['202', { status: 202, body: '' }],
    [
      '200 and a stored file',
      {
        status: 200,
        body: JSON.stringify({
          path: ['users', 'ann', 'a'],
          name: 'a',
          type: 'file',
          creationTime: '2026-03-09T11:31:00.000Z',
          modificationTime: '2026-03-09T11:31:00.000Z',
          size: '1',
          eTag: '"e"',
          crc64: '1',
        }),
      },
    ],
  ])('%s although the request had no hash returns 502', async (_, fault) => {
    const harness = await startHarness()
    await harness.begin({ path: 'warm', size: 1 })
    harness.emulator.controls.force('begin-multipart', fault)
    const response = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 1 } })
    await expectProblem(response, 502, 'upstream_error')
    const expected = { level: 'error', reason: 'invalid_response', status: 502 }
    expect((await harness.records()).at(-1)).toMatchObject(expected)
  })

  test('PathConflict is retried before the client gets an error', async () => {
    const harness = await startHarness({ environment: { UPLOAD_PATH_PREFIX: '/' } })
    const { controls } = harness.emulator
    controls.force('begin-multipart', { status: 409, code: 'PathConflict', times: 2 })
    await harness.begin({ path: 'a.txt', size: 7 })
    expect(harness.smhCalls('begin-multipart').map(({ status }) => status)).toEqual([409, 409, 201])
    controls.force('begin-multipart', { status: 409, code: 'PathConflict', times: Infinity })
    const response = await harness.request('POST', '/v1/uploads', { body: { path: 'b', size: 1 } })
    await expectProblem(response, 409, 'name_conflict')
    expect(controls.openTasks()).toHaveLength(1)
  })
})

test.each<[what: string, change: object, reason: string]>([
  ['a line break in the path', { path: '/a\r\nb' }, 'invalid_response'],
  ['a query in the path', { path: '/a?b' }, 'invalid_response'],
  ['dots for a domain', { domain: '..' }, 'invalid_response'],
  ['an upload id of 1,000 characters', { uploadId: 'u'.repeat(1000) }, 'invalid_response'],
  ['an end after the year 9999', { expiration: '9999-12-31T23:59:59-14:00' }, 'invalid_response'],
  ['a hundred headers', { headers: manyHeaders(100) }, 'invalid_response'],
  ['60,000 headers', { headers: manyHeaders(60_000) }, 'too_large'],
])(
  'begin: a response from SMH with %s returns 502 and is not passed on',
  async (_, change, reason) => {
    const harness = await startHarness()
    const task = {
      domain: 'cos.example',
      path: '/a',
      uploadId: 'u',
      headers: {},
      confirmKey: 'k',
      expiration: '2026-03-09T13:22:33.000Z',
    }
    harness.emulator.controls.force('begin-multipart', {
      status: 201,
      body: JSON.stringify({ ...task, ...change }),
    })
    const response = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 5 } })
    await expectProblem(response, 502, 'upstream_error')
    expect((await harness.records()).at(-1)).toMatchObject({ reason })
  },
)

function manyHeaders(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'v']))
}
