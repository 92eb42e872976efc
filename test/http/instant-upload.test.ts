import { describe, expect, test } from 'vitest'
import { chainedHashes } from '../../src/emulator/hashes.ts'
import {
  ann,
  bob,
  type Credentials,
  type Harness,
  MiB,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const parts = [someBytes(MiB, 7), someBytes(500, 8)]
const size = MiB + 500
const unknown = 'a'.repeat(64)

const instant = (harness: Harness, body: object, headers: Record<string, string> = {}) =>
  harness.request('POST', '/v1/instant-uploads', { body, headers })

/** The hashes of `parts`, which a first user has uploaded already. */
async function storedHashes(harness: Harness) {
  await harness.upload('mine/original.bin', parts, { as: bob })
  harness.emulator.controls.clearCalls()
  async function* chunks() {
    yield* parts
  }
  return chainedHashes(chunks())
}

/** SMH's answer that the file is stored. */
const storedAs = (change: object) => ({
  path: ['users', 'ann', 'copy.bin'],
  name: 'copy.bin',
  type: 'file',
  creationTime: '2026-03-09T11:31:00.000Z',
  modificationTime: '2026-03-09T11:31:00.000Z',
  contentType: 'application/octet-stream',
  size: String(size),
  eTag: '"x"',
  crc64: '1',
  ...change,
})

describe('instantUpload', () => {
  test('a known beginning hash requires the full hash, which then stores the file', async () => {
    const harness = await startHarness()
    const { beginningHash, fullHash } = await storedHashes(harness)
    const wanted = { path: 'copies/copy.bin', size, beginningHash }
    const first = await instant(harness, wanted)
    expect(first.status).toBe(200)
    expect(await first.json()).toEqual({ outcome: 'full_hash_required' })
    expect(first.headers.get('location')).toBeNull()
    expect(first.headers.get('upload-expires')).toBeNull()
    expect(first.headers.get('cache-control')).toBe('no-store')
    expect(harness.emulator.controls.openTasks()).toEqual([])

    const second = await instant(harness, { ...wanted, fullHash })
    expect(second.status).toBe(200)
    expect(second.headers.get('location')).toBeNull()
    const { outcome, file, ...others } = await second.json()
    expect([outcome, others]).toEqual(['stored', {}])
    expect(file).toMatchObject({ path: ['copies', 'copy.bin'], name: 'copy.bin', size })
    const stored = harness.emulator.controls.files().find(({ userId }) => userId === 'ann')
    expect(stored).toMatchObject({ path: ['users', 'ann', 'copies', 'copy.bin'], size })
    expect(file.crc64).toBe(stored?.crc64)
  })

  test('the stored file may have another name', async () => {
    const harness = await startHarness()
    const body = { path: 'copy.bin', size, ...(await storedHashes(harness)) }
    await instant(harness, body)
    const { file } = await (await instant(harness, body)).json()
    expect(file).toMatchObject({ path: ['copy (1).bin'], name: 'copy (1).bin' })
  })

  test('an unknown file gets credentials, and the upload continues as after begin', async () => {
    const harness = await startHarness()
    await storedHashes(harness)
    const response = await instant(harness, { path: 'new.bin', size: 3, beginningHash: unknown })
    expect(response.status).toBe(200)
    const { outcome, credentials, ...others } = await response.json()
    expect([outcome, others]).toEqual(['upload_required', {}])
    const fields = ['confirmKey', 'domain', 'headers', 'path', 'uploadId']
    expect(Object.keys(credentials).sort()).toEqual(fields)
    const { confirmKey } = credentials as Credentials
    expect(response.headers.get('location')).toBe(`/v1/uploads/${confirmKey}`)
    const ends = Date.parse(response.headers.get('upload-expires') ?? '')
    expect(ends).toBeGreaterThan(Date.now())

    expect((await harness.putPart(credentials, 1, new Uint8Array(3))).status).toBe(200)
    const completed = await harness.complete(credentials, { as: ann })
    expect(await completed.json()).toMatchObject({ path: ['new.bin'], size: 3 })
  })

  test.each<[what: string, change: object]>([
    ['a wrong full hash', { fullHash: 'f'.repeat(64) }],
    ['another size', { size: size + 1 }],
    ['a size under 1 MiB', { size: MiB - 1 }],
  ])('%s: the client must send the bytes', async (_, change) => {
    const harness = await startHarness()
    const hashes = await storedHashes(harness)
    const response = await instant(harness, { path: 'copy.bin', size, ...hashes, ...change })
    expect(await response.json()).toMatchObject({ outcome: 'upload_required' })
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('SMH receives each field and header of begin, and the hashes', async () => {
    const harness = await startHarness()
    const hashes = { beginningHash: unknown, fullHash: 'b'.repeat(64) }
    const details = { labels: ['holiday'], category: 'photo' }
    const wanted = { path: 'a.bin', size, conflictResolutionStrategy: 'ask', trafficLimit: 102_400 }
    await instant(harness, { ...wanted, ...hashes, ...details }, { 'x-smh-meta-origin': 'camera' })
    const call = harness.smhCalls('begin-multipart').at(-1)
    expect(JSON.parse(call?.body ?? '')).toEqual({ ...hashes, ...details, size: String(size) })
    expect(call?.query).toMatchObject({
      conflict_resolution_strategy: 'ask',
      traffic_limit: '102400',
    })
    expect(call?.headers['x-smh-meta-origin']).toBe('camera')
  })

  test.each<[field: string, change: object]>([
    ['beginningHash', { beginningHash: undefined }],
    ['beginningHash', { beginningHash: undefined, fullHash: unknown }],
    ['beginningHash', { beginningHash: unknown.slice(1) }],
    ['beginningHash', { beginningHash: `${unknown}a` }],
    ['beginningHash', { beginningHash: unknown.toUpperCase() }],
    ['beginningHash', { beginningHash: `${unknown}\n` }],
    ['fullHash', { fullHash: 'g'.repeat(64) }],
    ['fullHash', { fullHash: null }],
    ['size', { size: 0 }],
    ['path', { path: '' }],
    ['method', { method: 'multipart' }],
  ])('an invalid %s returns 400: %j', async (field, change) => {
    const harness = await startHarness()
    const response = await instant(harness, { path: 'a', size, beginningHash: unknown, ...change })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(problem.errors).toEqual([{ field, message: expect.any(String) }])
    expect(harness.smhCalls()).toEqual([])
  })

  test('a stored file of another size returns 422, and the log names the file', async () => {
    const harness = await startHarness()
    const body = { path: 'copy.bin', size, ...(await storedHashes(harness)) }
    harness.emulator.controls.force('begin-multipart', {
      body: JSON.stringify(storedAs({ size: String(1e12) })),
      headers: { 'X-Request-Id': 'instant-1' },
    })
    const { detail } = await expectProblem(await instant(harness, body), 422, 'size_mismatch')
    expect(detail).toBe(`The stored file has 1000000000000 bytes, but ${size} were declared.`)
    expect((await harness.records()).at(-1)).toMatchObject({
      level: 'error',
      reason: 'stored_size',
      smhRequestId: 'instant-1',
      declaredSize: size,
      storedSize: 1e12,
    })
  })

  test.each([[['users', 'bob', 'copy.bin']], [['users', 'ann']], [null]])(
    "a stored file at %j, outside the user's folder, returns 502, and the log has an error",
    async (path) => {
      const harness = await startHarness()
      const body = { path: 'copy.bin', size, ...(await storedHashes(harness)) }
      harness.emulator.controls.force('begin-multipart', {
        body: JSON.stringify(storedAs({ path })),
        headers: { 'X-Request-Id': 'instant-2' },
      })
      const problem = await expectProblem(await instant(harness, body), 502, 'upstream_error')
      expect(JSON.stringify(problem)).not.toMatch(/bob|copy/)
      const line = (await harness.records()).at(-1)
      expect(line).toMatchObject({
        level: 'error',
        reason: 'foreign_path',
        smhRequestId: 'instant-2',
      })
      expect(JSON.stringify(line)).not.toMatch(/bob|copy/)
    },
  )

  test('counts as a begin for the rate limit', async () => {
    const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '2' } })
    const body = { path: 'a', size, beginningHash: unknown }
    expect((await instant(harness, body)).status).toBe(200)
    await harness.begin({ path: 'b', size: 1 })
    const response = await instant(harness, body)
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
    await expectProblem(response, 429, 'rate_limited')
  })

  test('when disabled, a known hash does not store a file', async () => {
    const harness = await startHarness({ environment: { UPLOAD_INSTANT: 'false' } })
    const response = await instant(harness, {
      path: 'copy.bin',
      size,
      ...(await storedHashes(harness)),
    })
    const { detail } = await expectProblem(response, 403, 'not_permitted')
    expect(detail).toContain('Instant upload')
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(harness.smhCalls()).toEqual([])
    await harness.begin({ path: 'copy.bin', size })
  })
})
