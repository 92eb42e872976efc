import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { ann, type Harness, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const good = { path: 'a.txt', size: 5 }
const hex64 = 'a'.repeat(64)

describe('begin: an invalid field is named in the problem', () => {
  test.each<[field: string, body: unknown]>([
    ['path', { size: 5 }],
    ['path', { ...good, path: 5 }],
    ['path', { ...good, path: null }],
    ['path', { ...good, path: ['a.txt'] }],
    ['path', { ...good, path: '' }],
    ['path', { ...good, path: 'a'.repeat(1025) }],
    ['path', { ...good, path: `${'a'.repeat(256)}.txt` }],
    ['size', { path: 'a.txt' }],
    ['size', { ...good, size: 0 }],
    ['size', { ...good, size: -1 }],
    ['size', { ...good, size: 1.5 }],
    ['size', { ...good, size: '5' }],
    ['size', { ...good, size: null }],
    ['size', { ...good, size: 2 ** 53 }],
    ['size', '{"path":"a.txt","size":1e400}'],
    ['conflictResolutionStrategy', { ...good, conflictResolutionStrategy: 'replace' }],
    ['conflictResolutionStrategy', { ...good, conflictResolutionStrategy: '' }],
    ['conflictResolutionStrategy', { ...good, conflictResolutionStrategy: null }],
    ['trafficLimit', { ...good, trafficLimit: 102_399 }],
    ['trafficLimit', { ...good, trafficLimit: 104_857_601 }],
    ['trafficLimit', { ...good, trafficLimit: 200_000.5 }],
    ['trafficLimit', { ...good, trafficLimit: '200000' }],
    ['preferSameOrigin', { ...good, preferSameOrigin: 'true' }],
    ['preferSameOrigin', { ...good, preferSameOrigin: 1 }],
    ['beginningHash', { ...good, beginningHash: hex64 }],
    ['fullHash', { ...good, fullHash: hex64 }],
    ['labels', { ...good, labels: 'holiday' }],
    ['labels', { ...good, labels: Array(21).fill('a') }],
    ['labels.1', { ...good, labels: ['a', 'b'.repeat(65)] }],
    ['labels.0', { ...good, labels: ['🎞'.repeat(65)] }],
    ['labels.0', { ...good, labels: [5] }],
    ['category', { ...good, category: 'c'.repeat(17) }],
    ['category', { ...good, category: '海海海海海海' }],
    ['labels.0', { ...good, labels: ['a\u0000b'] }],
    ['labels.1', { ...good, labels: ['a', 'b\ud800'] }],
    ['category', { ...good, category: 'a\nb' }],
    ['category', { ...good, category: '\udc00' }],
    ['localCreationTime', { ...good, localCreationTime: 'yesterday' }],
    ['localCreationTime', { ...good, localCreationTime: `2026-01-02T03:04:05.${'6'.repeat(99)}Z` }],
    ['localCreationTime', { ...good, localCreationTime: '2026-01-02' }],
    ['localCreationTime', { ...good, localCreationTime: '2026-02-30T00:00:00Z' }],
    ['localModificationTime', { ...good, localModificationTime: 1_767_323_045 }],
    ['localModificationTime', { ...good, localModificationTime: '2026-01-02T03:04:05' }],
    ['spaceId', { ...good, spaceId: 'other' }],
    ['userId', { ...good, userId: 'bob' }],
    ['__proto__', '{"path":"a.txt","size":5,"__proto__":{"size":7}}'],
    ['constructor', { ...good, constructor: 'x' }],
    ['body', []],
    ['body', '"a.txt"'],
    ['body', 'null'],
    ['body', '5'],
  ])('%s: %j', async (field, body) => {
    const harness = await startHarness()
    const response = await harness.request('POST', '/v1/uploads', { body })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(problem.errors).toEqual([{ field, message: expect.any(String) }])
    expect(harness.smhCalls()).toEqual([])
  })

  test('a label of 64 characters outside the Basic Multilingual Plane is allowed', async () => {
    const harness = await startHarness()
    const labels = ['🎞'.repeat(64)]
    await harness.begin({ ...good, labels })
    expect(JSON.parse(harness.smhCalls('begin-multipart').at(-1)?.body ?? '')).toEqual({ labels })
  })

  test('several invalid fields are all named', async () => {
    const harness = await startHarness()
    const body = { path: 5, size: -1, more: 1, evenMore: 2 }
    const response = await harness.request('POST', '/v1/uploads', { body })
    const problem = await expectProblem(response, 400, 'invalid_request')
    const fields = problem.errors?.map(({ field }) => field).sort()
    expect(fields).toEqual(['evenMore', 'more', 'path', 'size'])
  })

  test('a large number of invalid fields is cut short', async () => {
    const harness = await startHarness()
    const more = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`f${index}`, 1]))
    const response = await harness.request('POST', '/v1/uploads', { body: { ...good, ...more } })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(problem.errors).toHaveLength(20)
  })

  test('the limits themselves are allowed', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: '100' } })
    const response = await harness.request('POST', '/v1/uploads', {
      body: {
        path: `${'a'.repeat(251)}.txt`,
        size: 100,
        trafficLimit: 104_857_600,
        labels: Array(20).fill('\u{1f600}'.repeat(64)),
        category: '海海海海海a',
        localCreationTime: '2026-01-02T03:04:05.678901234+08:00',
      },
    })
    expect(response.status).toBe(201)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })
})

describe('begin: an unreadable body returns 400 or 415', () => {
  test.each([
    ['cut off', '{"path":"a.txt","size":5'],
    ['a form', 'path=a.txt'],
    ['two values', '{"path":"a.txt","size":5}{}'],
    ['empty', ''],
    ['only white space', ' \n'],
    ['NaN', '{"path":"a.txt","size":NaN}'],
  ])('%s', async (_, body) => {
    const harness = await startHarness()
    const response = await harness.request('POST', '/v1/uploads', { body })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(JSON.stringify(problem)).not.toContain('a.txt')
    expect(harness.smhCalls()).toEqual([])
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/vnd.api+json',
    'application/json, text/plain',
    'json',
  ])('content type %s', async (type) => {
    const harness = await startHarness()
    const response = await harness.request('POST', '/v1/uploads', {
      body: good,
      headers: { 'content-type': type },
    })
    await expectProblem(response, 415, 'unsupported_media_type')
    expect(harness.smhCalls()).toEqual([])
  })

  test.each<[what: string, bytes: number[]]>([
    ['a byte that UTF-8 does not use', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a lone surrogate', [0xed, 0xa0, 0x80]],
    ['an incomplete character', [0xf0, 0x9f, 0x98]],
  ])('invalid UTF-8: %s', async (_, bytes) => {
    const harness = await startHarness()
    const [before, after] = ['{"path":"a', '","size":5}'].map((text) => Buffer.from(text))
    const response = await fetch(`${harness.gateway.url}/v1/uploads`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await harness.issuer.token(ann)}`,
        'content-type': 'application/json',
      },
      body: Buffer.concat([before as Buffer, Buffer.from(bytes), after as Buffer]),
    })
    await expectProblem(response, 400, 'invalid_request')
    expect(harness.smhCalls()).toEqual([])
  })

  test('a charset parameter is allowed', async () => {
    const harness = await startHarness()
    const response = await harness.request('POST', '/v1/uploads', {
      body: good,
      headers: { 'content-type': 'Application/JSON; charset=utf-8' },
    })
    expect(response.status).toBe(201)
  })

  test('no content type and no body', async () => {
    const harness = await startHarness()
    const response = await harness.request('POST', '/v1/uploads')
    await expectProblem(response, 400, 'invalid_request')
    expect(harness.smhCalls()).toEqual([])
  })
})

describe('begin: a body of 64 KiB', () => {
  const padded = (bytes: number) => {
    const text = JSON.stringify(good)
    return text + ' '.repeat(bytes - text.length)
  }

  test.each(['of known length', 'in chunks'])('is accepted, %s', async (how) => {
    const harness = await startHarness()
    const { status } = await send(harness, padded(64 * 1024), how === 'in chunks')
    expect(status).toBe(201)
  })

  test.each(['of known length', 'in chunks'])('plus one byte returns 413, %s', async (how) => {
    const harness = await startHarness()
    const { status, text } = await send(harness, padded(64 * 1024 + 1), how === 'in chunks')
    expect([status, JSON.parse(text).code]).toEqual([413, 'request_too_large'])
    expect(harness.smhCalls()).toEqual([])
  })
})

/** By node:http, which can leave the length away. */
async function send(harness: Harness, body: string, chunked: boolean) {
  const token = await harness.issuer.token(ann)
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const call = request(`${harness.gateway.url}/v1/uploads`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }),
      },
    })
    call.once('error', reject)
    call.once('response', async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ status: response.statusCode, text })
    })
    call.end(body)
  })
}
