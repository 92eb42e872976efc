import { describe, expect, test } from 'vitest'
import { chainedHashes } from '../../src/emulator/hashes.ts'
import {
  bob,
  type Credentials,
  type Harness,
  MiB,
  type RequestOptions,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const wanted = { path: 'a.txt', size: 5 }

function begin(
  harness: Harness,
  key: string,
  body: unknown = wanted,
  { headers, ...options }: RequestOptions = {},
) {
  const all = { 'idempotency-key': key, ...headers }
  return harness.request('POST', '/v1/uploads', { body, headers: all, ...options })
}

const instant = (harness: Harness, key: string, body: object) =>
  harness.request('POST', '/v1/instant-uploads', { body, headers: { 'idempotency-key': key } })

/** How often SMH created a task or a file. A begin that found no folder does not count. */
const begunIn = (harness: Harness, route: 'begin-multipart' | 'begin-simple' = 'begin-multipart') =>
  harness.smhCalls(route).filter(({ status }) => (status ?? 0) < 300)

const openUploads = async (harness: Harness) =>
  (await (await harness.request('GET', '/v1/uploads')).json()).uploads as Credentials[]

async function credentialsOf(response: Response): Promise<Credentials> {
  expect(response.status).toBe(201)
  return (await response.json()) as Credentials
}

describe('Idempotency-Key', () => {
  test('a repeat returns the same confirm key with fresh credentials, and SMH has one task', async () => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, 'k'))
    const response = await begin(harness, 'k')
    expect(response.headers.get('location')).toBe(`/v1/uploads/${first.confirmKey}`)
    expect(response.headers.get('upload-expires')).toMatch(/GMT$/)
    const second = await credentialsOf(response)
    expect(Object.keys(second).sort()).toEqual(Object.keys(first).sort())
    expect(second.confirmKey).toBe(first.confirmKey)
    expect(second.uploadId).toBe(first.uploadId)
    expect(second.headers.Authorization).not.toBe(first.headers.Authorization)
    expect(begunIn(harness)).toHaveLength(1)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
    await harness.putPart(second, 1, new Uint8Array(5))
    expect((await harness.complete(second)).status).toBe(200)
  })

  test('works after the first credentials have expired', async () => {
    const harness = await startHarness({ emulator: { credentialTtlSeconds: 60 } })
    const first = await credentialsOf(await begin(harness, 'k'))
    harness.advance(3600_000)
    const second = await credentialsOf(await begin(harness, 'k'))
    expect(second.confirmKey).toBe(first.confirmKey)
    expect((await harness.putPart(second, 1, new Uint8Array(5))).status).toBe(200)
  })

  test.each([
    ['k', '"k"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['~!@#$%^&*()', '"~!@#$%^&*()"'],
    ['k'.repeat(255), `"${'k'.repeat(255)}"`],
  ])('%s and its quoted form are one key', async (bare, quoted) => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, bare))
    const second = await credentialsOf(await begin(harness, quoted))
    expect(second.confirmKey).toBe(first.confirmKey)
  })

  test.each([
    '',
    '""',
    'a b',
    '"a b"',
    '"a',
    '"a"b"',
    '"a\\x"',
    '"a";p=1',
    'a\u00a0',
    'a, b',
    'k'.repeat(256),
    `"${'k'.repeat(256)}"`,
    'caf\u00e9',
  ])('%j is no key: 400', async (key) => {
    const harness = await startHarness()
    const { errors } = await expectProblem(await begin(harness, key), 400, 'invalid_request')
    expect(errors).toEqual([{ field: 'Idempotency-Key', message: expect.any(String) }])
    expect(harness.smhCalls()).toEqual([])
  })

  test.each<[what: string, first: object, second: object]>([
    [
      'the order of fields',
      { path: 'a', size: 5, labels: ['x'], category: 'y' },
      { category: 'y', labels: ['x'], size: 5, path: 'a' },
    ],
    [
      'an explicit default',
      { path: 'a', size: 5 },
      { path: 'a', size: 5, method: 'multipart', conflictResolutionStrategy: 'rename' },
    ],
    [
      'the default of preferSameOrigin',
      { path: 'a', size: 5 },
      { path: 'a', size: 5, preferSameOrigin: false },
    ],
    ['a leading slash', { path: 'a', size: 5 }, { path: '/a', size: 5 }],
    [
      'the order of metadata',
      { path: 'a', size: 5, metadata: { a: '1', b: '2' } },
      { path: 'a', size: 5, metadata: { b: '2', A: '1' } },
    ],
  ])('%s makes no difference', async (_, one, other) => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, 'k', one))
    const second = await credentialsOf(await begin(harness, 'k', other))
    expect(second.confirmKey).toBe(first.confirmKey)
  })

  test('the place of metadata makes no difference', async () => {
    const harness = await startHarness()
    const inBody = { ...wanted, metadata: { origin: 'camera', a: '1' } }
    const first = await credentialsOf(await begin(harness, 'k', inBody))
    const headers = { 'x-smh-meta-origin': 'camera' }
    const both = { ...wanted, metadata: { a: '1' } }
    const second = await credentialsOf(await begin(harness, 'k', both, { headers }))
    expect(second.confirmKey).toBe(first.confirmKey)
  })

  test.each<[what: string, change: object, headers: Record<string, string>]>([
    ['another path', { path: 'b.txt' }, {}],
    ['another size', { size: 6 }, {}],
    ['another method', { method: 'simple' }, {}],
    ['another strategy', { conflictResolutionStrategy: 'ask' }, {}],
    ['a traffic limit', { trafficLimit: 102_400 }, {}],
    ['labels', { labels: ['x'] }, {}],
    ['a time', { localCreationTime: '2026-03-09T11:22:33Z' }, {}],
    ['metadata in the body', { metadata: { a: '1' } }, {}],
    ['metadata in a header', {}, { 'x-smh-meta-a': '1' }],
  ])('%s with the same key returns 422', async (_, change, headers) => {
    const harness = await startHarness()
    await begin(harness, 'k')
    harness.emulator.controls.clearCalls()
    const response = await begin(harness, 'k', { ...wanted, ...change }, { headers })
    await expectProblem(response, 422, 'idempotency_key_reused')
    expect(harness.smhCalls()).toEqual([])
  })

  test('the same key on the other operation returns 422', async () => {
    const harness = await startHarness()
    await begin(harness, 'k')
    const response = await instant(harness, 'k', { ...wanted, beginningHash: 'a'.repeat(64) })
    await expectProblem(response, 422, 'idempotency_key_reused')
  })

  test('keys of different users are separate', async () => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, 'k'))
    const second = await credentialsOf(await begin(harness, 'k', wanted, { as: bob }))
    expect(second.confirmKey).not.toBe(first.confirmKey)
    expect(harness.emulator.controls.openTasks().map(({ path }) => path[1])).toEqual(['ann', 'bob'])
  })

  test('while the first request is running a repeat returns 409 with Retry-After', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('begin-multipart', { delayMs: 500 })
    const first = begin(harness, 'k')
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(1)
    const second = await begin(harness, 'k')
    expect(second.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expectProblem(second, 409, 'request_in_progress')
    const { confirmKey } = await credentialsOf(await first)
    expect((await credentialsOf(await begin(harness, 'k'))).confirmKey).toBe(confirmKey)
  })

  test('twenty begins at once with one key make one task', async () => {
    const harness = await startHarness()
    const responses = await Promise.all(Array.from({ length: 20 }, () => begin(harness, 'k')))
    for (const { status } of responses) expect([201, 409]).toContain(status)
    expect(begunIn(harness)).toHaveLength(1)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })

  test('a client that disconnects and repeats makes one task', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('begin-multipart', { delayMs: 300 })
    const leaving = new AbortController()
    const lost = begin(harness, 'k', wanted, { signal: leaving.signal }).catch(() => undefined)
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(1)
    leaving.abort()
    expect(await lost).toBeUndefined()
    await expect.poll(async () => (await begin(harness, 'k')).status, { timeout: 10_000 }).toBe(201)
    expect(begunIn(harness)).toHaveLength(1)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })

  test.each<[status: number, body: object | undefined, expected: number, code: string]>([
    [500, undefined, 502, 'upstream_error'],
    [429, { code: 'RateLimitExceeded' }, 503, 'upstream_unavailable'],
    [400, { code: 'QuotaLimitReached' }, 507, 'quota_exceeded'],
  ])(
    'a response of SMH with %d is not kept: a repeat begins',
    async (status, body, expected, code) => {
      const harness = await startHarness({ environment: { UPSTREAM_TIMEOUT_SECONDS: '1' } })
      const { controls } = harness.emulator
      const text = body && { body: JSON.stringify(body) }
      controls.force('begin-multipart', { status, ...text, times: 5 })
      await expectProblem(await begin(harness, 'k'), expected, code as never)
      controls.clearFaults()
      await credentialsOf(await begin(harness, 'k'))
    },
  )

  test('a request that the policy rejects is not kept: the key is free', async () => {
    const harness = await startHarness()
    const forbidden = { ...wanted, conflictResolutionStrategy: 'overwrite' }
    await expectProblem(await begin(harness, 'k', forbidden), 403, 'not_permitted')
    await expectProblem(await begin(harness, 'k', { path: 5 }), 400, 'invalid_request')
    await credentialsOf(await begin(harness, 'k'))
  })

  test('after complete a repeat returns 409', async () => {
    const harness = await startHarness()
    const credentials = await credentialsOf(await begin(harness, 'k'))
    await harness.putPart(credentials, 1, new Uint8Array(5))
    await harness.complete(credentials)
    await expectProblem(await begin(harness, 'k'), 409, 'upload_complete')
    expect(begunIn(harness)).toHaveLength(1)
  })

  test('after complete a repeat returns 409 also when SMH has forgotten the task', async () => {
    const harness = await startHarness()
    const credentials = await credentialsOf(await begin(harness, 'k'))
    await harness.putPart(credentials, 1, new Uint8Array(5))
    await harness.complete(credentials)
    harness.emulator.controls.clearCalls()
    await expectProblem(await begin(harness, 'k'), 409, 'upload_complete')
    expect(harness.smhCalls()).toEqual([])
  })

  test('a repeat that finds the upload complete takes it off the list', async () => {
    const harness = await startHarness()
    const credentials = await credentialsOf(await begin(harness, 'k'))
    await harness.putPart(credentials, 1, new Uint8Array(5))
    const other = await harness.startAnother({})
    await harness.complete(credentials, { on: other })
    await expectProblem(await begin(harness, 'k'), 409, 'upload_complete')
    expect(await openUploads(harness)).toEqual([])
  })

  test('a client that disconnects keeps its permit until its begin has ended', async () => {
    const harness = await startHarness({
      environment: { MAX_IN_FLIGHT: '2', UPSTREAM_TIMEOUT_SECONDS: '5' },
    })
    harness.emulator.controls.force('begin-multipart', { delayMs: 3_600_000 })
    const leaving = new AbortController()
    const lost = begin(harness, 'k', wanted, { signal: leaving.signal }).catch(() => undefined)
    await expect.poll(() => harness.smhCalls('begin-multipart').length).toBe(1)
    leaving.abort()
    await lost
    await expectProblem(await begin(harness, 'other'), 503, 'overloaded')
    const next = async () => (await begin(harness, 'next')).status
    await expect.poll(next, { timeout: 15_000, interval: 200 }).toBe(201)
  })

  test('aborting an old upload leaves its key to the upload that has the key now', async () => {
    const harness = await startHarness()
    const old = await credentialsOf(await begin(harness, 'k'))
    harness.advance(24 * 3600_000)
    const { confirmKey } = await credentialsOf(await begin(harness, 'k'))
    await harness.request('DELETE', `/v1/uploads/${old.confirmKey}`)
    expect((await credentialsOf(await begin(harness, 'k'))).confirmKey).toBe(confirmKey)
  })

  test('after abort a repeat begins', async () => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, 'k'))
    await harness.request('DELETE', `/v1/uploads/${first.confirmKey}`)
    const second = await credentialsOf(await begin(harness, 'k'))
    expect(second.confirmKey).not.toBe(first.confirmKey)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })

  test('when SMH no longer knows the task, a repeat begins', async () => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, 'k'))
    harness.emulator.controls.force('renew', {
      status: 404,
      body: JSON.stringify({ code: 'UploadNotFound' }),
    })
    const second = await credentialsOf(await begin(harness, 'k'))
    expect(second.confirmKey).not.toBe(first.confirmKey)
    const third = await credentialsOf(await begin(harness, 'k'))
    expect(third.confirmKey).toBe(second.confirmKey)
  })

  test.each([
    [24 * 3600 - 60, 7 * 24 * 3600, true],
    [24 * 3600, 7 * 24 * 3600, false],
    [3600 - 60, 3600, true],
    [3600, 3600, false],
  ])(
    '%d s after begin, with uploads of %d s, the key is known: %s',
    async (after, maxAge, known) => {
      const environment = { UPLOAD_MAX_AGE_SECONDS: String(maxAge) }
      const harness = await startHarness({ environment })
      const first = await credentialsOf(await begin(harness, 'k'))
      harness.advance(after * 1000)
      const second = await credentialsOf(await begin(harness, 'k'))
      expect(second.confirmKey === first.confirmKey).toBe(known)
    },
  )

  test('a replay is allowed at the limit of open uploads', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '1' } })
    const first = await credentialsOf(await begin(harness, 'k'))
    await expectProblem(await begin(harness, 'other'), 429, 'too_many_open_uploads')
    expect((await credentialsOf(await begin(harness, 'k'))).confirmKey).toBe(first.confirmKey)
  })

  test('a replay counts for the rate limit', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '2' } })
    await begin(harness, 'k')
    await begin(harness, 'k')
    await expectProblem(await begin(harness, 'k'), 429, 'rate_limited')
  })

  test('without a key each begin makes a task', async () => {
    const harness = await startHarness()
    const [first, second] = [await harness.begin(wanted), await harness.begin(wanted)]
    expect(first?.confirmKey).not.toBe(second?.confirmKey)
  })
})

describe('Idempotency-Key of a simple upload', () => {
  const simple = { path: 'a.txt', size: 5, method: 'simple' }

  test('a repeat begins again with another confirm key, and the first upload is cancelled', async () => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, 'k', simple))
    const second = await credentialsOf(await begin(harness, 'k', simple))
    expect(second.confirmKey).not.toBe(first.confirmKey)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
    expect((await openUploads(harness)).map(({ confirmKey }) => confirmKey)).toEqual([
      second.confirmKey,
    ])
    await expectProblem(await harness.complete(first), 404, 'upload_not_found')
  })

  test('a repeat is allowed at the limit of open uploads', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '1' } })
    await credentialsOf(await begin(harness, 'k', simple))
    await credentialsOf(await begin(harness, 'k', simple))
    expect(await openUploads(harness)).toHaveLength(1)
  })

  test('after complete a repeat returns 409, and the file stays', async () => {
    const harness = await startHarness()
    const { domain, path, headers, confirmKey } = await credentialsOf(
      await begin(harness, 'k', simple),
    )
    await fetch(`http://${domain}${path}`, { method: 'PUT', headers, body: new Uint8Array(5) })
    await harness.complete({ confirmKey })
    for (const _ of [1, 2]) {
      await expectProblem(await begin(harness, 'k', simple), 409, 'upload_complete')
    }
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(begunIn(harness, 'begin-simple')).toHaveLength(1)
  })

  test('when SMH does not cancel the first upload, a repeat leaves it behind', async () => {
    const harness = await startHarness()
    const first = await credentialsOf(await begin(harness, 'k', simple))
    harness.emulator.controls.force('cancel', { status: 500, times: 5 })
    const second = await credentialsOf(await begin(harness, 'k', simple))
    expect(second.confirmKey).not.toBe(first.confirmKey)
    const listed = await openUploads(harness)
    expect(listed.map(({ confirmKey }) => confirmKey)).toEqual([second.confirmKey])
  })

  test('when the state of the first upload is unknown, a repeat begins nothing', async () => {
    const harness = await startHarness()
    await credentialsOf(await begin(harness, 'k', simple))
    harness.emulator.controls.force('cancel', { status: 500, times: 5 })
    harness.emulator.controls.force('status', { status: 500, times: 5 })
    await expectProblem(await begin(harness, 'k', simple), 502, 'upstream_error')
    harness.emulator.controls.clearFaults()
    await credentialsOf(await begin(harness, 'k', simple))
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })

  test('ten repeats at once leave one upload', async () => {
    const harness = await startHarness()
    await credentialsOf(await begin(harness, 'k', simple))
    const repeats = Array.from({ length: 10 }, () => begin(harness, 'k', simple))
    for (const { status } of await Promise.all(repeats)) expect([201, 409]).toContain(status)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
    expect(await openUploads(harness)).toHaveLength(1)
  })
})

describe('Idempotency-Key of an instant upload', () => {
  const parts = [someBytes(MiB, 7), someBytes(500, 8)]
  const size = MiB + 500

  async function storedHashes(harness: Harness) {
    await harness.upload('original.bin', parts, { as: bob })
    harness.emulator.controls.clearCalls()
    async function* chunks() {
      yield* parts
    }
    return chainedHashes(chunks())
  }

  test('a stored file is stored once, and a repeat returns it', async () => {
    const harness = await startHarness()
    const body = { path: 'copy.bin', size, ...(await storedHashes(harness)) }
    const first = await (await instant(harness, 'k', body)).json()
    const second = await instant(harness, 'k', body)
    expect(second.status).toBe(200)
    const { outcome, file } = await second.json()
    expect(outcome).toBe('stored')
    for (const field of ['path', 'name', 'size', 'crc64', 'eTag']) {
      expect(file[field]).toEqual(first.file[field])
    }
    expect(begunIn(harness)).toHaveLength(1)
    const copies = harness.emulator.controls.files().filter(({ userId }) => userId === 'ann')
    expect(copies).toHaveLength(1)
  })

  test('the demand for the full hash is repeated without a call to SMH', async () => {
    const harness = await startHarness()
    const { beginningHash } = await storedHashes(harness)
    const body = { path: 'copy.bin', size, beginningHash }
    for (const _ of [1, 2]) {
      const response = await instant(harness, 'k', body)
      expect(await response.json()).toEqual({ outcome: 'full_hash_required' })
    }
    expect(begunIn(harness)).toHaveLength(1)
  })

  test('credentials are repeated with the same confirm key', async () => {
    const harness = await startHarness()
    const body = { path: 'new.bin', size: 5, beginningHash: 'a'.repeat(64) }
    const first = await (await instant(harness, 'k', body)).json()
    const second = await (await instant(harness, 'k', body)).json()
    expect(second.outcome).toBe('upload_required')
    expect(second.credentials.confirmKey).toBe(first.credentials.confirmKey)
    expect(begunIn(harness)).toHaveLength(1)
  })

  test('a repeat for a file that was deleted since returns 409', async () => {
    const harness = await startHarness()
    const body = { path: 'copy.bin', size, ...(await storedHashes(harness)) }
    await instant(harness, 'k', body)
    harness.emulator.controls.force('directory-info', {
      status: 404,
      body: JSON.stringify({ code: 'FileNotFound' }),
    })
    await expectProblem(await instant(harness, 'k', body), 409, 'upload_complete')
  })
})
