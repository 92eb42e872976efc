import { describe, expect, test } from 'vitest'
import {
  bob,
  type Credentials,
  type Harness,
  type RequestOptions,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { expectProblem, withoutRequestId } from '../support/problems.ts'

/** Everything that can be done with a confirm key. */
const operations: [name: string, method: string, path: (key: string) => string][] = [
  ['getUpload', 'GET', (key) => `/v1/uploads/${key}`],
  ['renewUpload', 'POST', (key) => `/v1/uploads/${key}/renew`],
  ['completeUpload', 'POST', (key) => `/v1/uploads/${key}/complete`],
  ['abortUpload', 'DELETE', (key) => `/v1/uploads/${key}`],
]

/** The owner's response for an upload that SMH does not have. */
async function unknownUpload(harness: Harness): Promise<string> {
  const { confirmKey } = await harness.begin({ path: 'gone.txt', size: 5 })
  await harness.request('DELETE', `/v1/uploads/${confirmKey}`)
  return withoutRequestId(await harness.request('GET', `/v1/uploads/${confirmKey}`))
}

/** Tries every operation with `key`; all must answer like an unknown upload, with SMH unasked. */
async function expectUnknown(harness: Harness, key: string, options: RequestOptions = {}) {
  const unknown = await unknownUpload(harness)
  harness.emulator.controls.clearCalls()
  for (const [, method, path] of operations) {
    const response = await harness.request(method, path(encodeURIComponent(key)), options)
    const { headers } = response
    const own = [...headers.keys()].filter((name) => !ofTheServer.has(name))
    expect(own.sort()).toEqual(usualHeaders)
    expect(await withoutRequestId(response)).toBe(unknown)
  }
  expect(harness.smhCalls()).toEqual([])
}

/** What the HTTP server in front says of its connection, the same for every answer. */
const ofTheServer = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
])

const usualHeaders = ['cache-control', 'content-type', 'x-content-type-options', 'x-request-id']

const flip = (key: string, index: number) =>
  key.slice(0, index) + (key[index] === 'A' ? 'B' : 'A') + key.slice(index + 1)

test('ownership: these tests cover every operation with a confirm key', async () => {
  const { endpoints } = await import('../../src/gateway/routes/index.ts')
  const withKey = endpoints.filter(({ route }) => route.path.includes('{confirmKey}'))
  expect(operations.map(([name]) => name)).toEqual(withKey.map(({ route }) => route.operationId))
})

describe("ownership: one response to every key that is not the user's", () => {
  test('a key of another user', async () => {
    const harness = await startHarness()
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    await expectUnknown(harness, upload.confirmKey, { as: bob })
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
    expect((await harness.complete(upload)).status).toBe(200)
    await expectUnknown(harness, upload.confirmKey, { as: bob })
  })

  test('a key changed in any of its parts', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
    const fields = confirmKey.split('.')
    const changed = [
      ...[0, 2, 9, 13, 16, 40, confirmKey.length - 1].map((index) => flip(confirmKey, index)),
      confirmKey.slice(0, -1),
      `${confirmKey}A`,
      fields.with(1, 'zzzzzz').join('.'),
      fields.with(2, 'zz').join('.'),
      fields.with(3, 'o').join('.'),
      fields.slice(0, -1).join('.'),
      confirmKey.toUpperCase(),
    ]
    for (const key of changed) await expectUnknown(harness, key)
  })

  test('every other spelling of the last character', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const others = [...alphabet].filter((character) => !confirmKey.endsWith(character))
    harness.emulator.controls.clearCalls()
    for (const character of others) {
      const key = confirmKey.slice(0, -1) + character
      const response = await harness.request('GET', `/v1/uploads/${key}`)
      await expectProblem(response, 404, 'upload_not_found')
    }
    expect(harness.smhCalls()).toEqual([])
  })

  test.each([
    [
      "SMH's confirm key",
      (harness: Harness) => harness.emulator.controls.openTasks()[0]?.confirmKey ?? '',
    ],
    ['garbage', () => 'garbage'],
    ['dots', () => '....'],
    ['a slash', () => '../uploads'],
    ['a NUL', () => '1.a.b.r.c\u0000.d'],
    ['other characters than ASCII', () => '钥匙'],
    ['an incomplete percent encoding', () => '%E0%A4%A'],
    ['10 kB', () => 'k'.repeat(10_000)],
    ['10 kB of the right shape', () => `1.a.a.r.${'k'.repeat(10_000)}.${'m'.repeat(43)}`],
  ])('%s', async (_, key) => {
    const harness = await startHarness()
    await harness.begin({ path: 'a.txt', size: 5 })
    await expectUnknown(harness, key(harness))
  })

  test('an expired key', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_AGE_SECONDS: '600' } })
    const upload = await harness.uploadParts('a.txt', [someBytes(5)])
    harness.advance(580_000)
    const path = `/v1/uploads/${upload.confirmKey}`
    expect((await harness.request('GET', path)).status).toBe(200)
    harness.advance(20_000)
    await expectUnknown(harness, upload.confirmKey)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
  })

  test('a key from another space', async () => {
    const harness = await startHarness({
      environment: { SMH_SPACE_CLAIM: 'tenant' },
      emulator: { multiTenant: true, spaces: ['space-a', 'space-b'] },
    })
    const of = (tenant: string) => ({ as: { sub: 'ann', claims: { tenant } } })
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 }, of('space-a'))
    harness.emulator.controls.clearCalls()
    const response = await harness.request('GET', `/v1/uploads/${confirmKey}`, of('space-b'))
    await expectProblem(response, 404, 'upload_not_found')
    expect(harness.smhCalls()).toEqual([])
    const own = await harness.request('GET', `/v1/uploads/${confirmKey}`, of('space-a'))
    expect(own.status).toBe(200)
  })

  test('a key from before a change of the user claim', async () => {
    const harness = await startHarness({
      environment: { UPLOAD_PATH_PREFIX: '/', JWT_USER_CLAIM: 'sub' },
    })
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
    const on = await harness.startAnother({ UPLOAD_PATH_PREFIX: '/', JWT_USER_CLAIM: 'email' })
    // In the other claim another user has the id of the owner.
    const as = { sub: 'bob', claims: { email: 'ann' } }
    harness.emulator.controls.clearCalls()
    const response = await harness.request('GET', `/v1/uploads/${confirmKey}`, { as, on })
    await expectProblem(response, 404, 'upload_not_found')
    expect(harness.smhCalls()).toEqual([])
  })

  test('an upload that belongs to another user in SMH', async () => {
    const harness = await startHarness()
    const unknown = await unknownUpload(harness)
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
    for (const [name, method, path] of operations) {
      const route = ({ renewUpload: 'renew', abortUpload: 'cancel' } as const)[name] ?? 'status'
      harness.emulator.controls.force(route, { status: 403, code: 'UploadNotBelongYou' })
      const response = await harness.request(method, path(confirmKey))
      expect(await withoutRequestId(response)).toBe(unknown)
    }
  })

  test('an empty key is an unknown route', async () => {
    const harness = await startHarness()
    for (const [, method, path] of operations) {
      const response = await harness.request(method, path(''))
      await expectProblem(response, 404, 'not_found')
    }
    expect(harness.smhCalls()).toEqual([])
  })
})

describe('CONFIRM_KEY_SECRETS', () => {
  const [old, fresh, foreign] = ['o', 'f', 'x'].map((letter) => letter.repeat(32)) as [
    string,
    string,
    string,
  ]
  const opens = async (harness: Harness, { confirmKey }: Credentials, secrets: string) => {
    const on = await harness.startAnother({ CONFIRM_KEY_SECRETS: secrets })
    return (await harness.request('GET', `/v1/uploads/${confirmKey}`, { on })).status === 200
  }

  test('an old secret verifies keys, an unknown secret does not', async () => {
    const harness = await startHarness({ environment: { CONFIRM_KEY_SECRETS: old } })
    const upload = await harness.begin({ path: 'a.txt', size: 5 })
    expect(await opens(harness, upload, `${fresh},${old}`)).toBe(true)
    expect(await opens(harness, upload, fresh)).toBe(false)
    expect(await opens(harness, upload, foreign)).toBe(false)
  })

  test('the first secret signs', async () => {
    const harness = await startHarness({ environment: { CONFIRM_KEY_SECRETS: `${fresh},${old}` } })
    const upload = await harness.begin({ path: 'a.txt', size: 5 })
    expect(await opens(harness, upload, fresh)).toBe(true)
    expect(await opens(harness, upload, old)).toBe(false)
  })

  test('two gateways derive the same secret from the library secret', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
    const on = await harness.startAnother({})
    const response = await harness.request('GET', `/v1/uploads/${confirmKey}`, { on })
    expect(response.status).toBe(200)
  })
})

test('keys for ordinary user IDs are short and URL-safe', async () => {
  const harness = await startHarness()
  const sub = 'u'.repeat(128)
  const { confirmKey } = await harness.begin(
    { path: 'a.txt', size: 5_368_709_120 },
    { as: { sub } },
  )
  expect(confirmKey).toMatch(/^[\w.-]{1,512}$/)
  expect(encodeURIComponent(confirmKey)).toBe(confirmKey)
})
