import { describe, expect, test } from 'vitest'
import { bob, type Harness, MiB, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

interface SimpleCredentials {
  domain: string
  path: string
  headers: Record<string, string>
  confirmKey: string
}

async function beginSimple(harness: Harness, size: number, more: object = {}) {
  const body = { path: 'a.txt', size, method: 'simple', ...more }
  const response = await harness.request('POST', '/v1/uploads', { body })
  expect(response.status).toBe(201)
  return (await response.json()) as SimpleCredentials
}

/** Sends the whole file to COS. */
function put({ domain, path, headers }: SimpleCredentials, bytes: Uint8Array<ArrayBuffer>) {
  return fetch(`http://${domain}${path}`, { method: 'PUT', headers, body: bytes })
}

const status = (harness: Harness, { confirmKey }: SimpleCredentials) =>
  harness.request('GET', `/v1/uploads/${confirmKey}`)

describe('simple upload', () => {
  test.each([0, 1, 500, MiB])('a file of %d bytes is stored with one PUT', async (size) => {
    const harness = await startHarness()
    const response = await harness.request('POST', '/v1/uploads', {
      body: { path: 'folder/a.txt', size, method: 'simple' },
    })
    expect(response.status).toBe(201)
    const credentials = (await response.json()) as SimpleCredentials
    expect(Object.keys(credentials).sort()).toEqual(['confirmKey', 'domain', 'headers', 'path'])
    expect(response.headers.get('location')).toBe(`/v1/uploads/${credentials.confirmKey}`)
    expect(Date.parse(response.headers.get('upload-expires') ?? '')).toBeGreaterThan(Date.now())
    expect((await put(credentials, someBytes(size))).status).toBe(200)
    const completed = await harness.complete(credentials)
    expect(completed.status).toBe(200)
    expect(await completed.json()).toMatchObject({ path: ['folder', 'a.txt'], size })
    const repeated = await harness.complete(credentials)
    expect(await repeated.json()).toMatchObject({ path: ['folder', 'a.txt'], size })
    expect(harness.emulator.controls.files()).toMatchObject([{ size, userId: 'ann' }])
  })

  test('SMH receives the fields of begin, and none that make the call another one', async () => {
    const harness = await startHarness()
    const details = { labels: ['holiday'], category: 'photo' }
    await beginSimple(harness, 5, {
      ...details,
      conflictResolutionStrategy: 'ask',
      metadata: { linkto: 'x', from: 'y' },
    })
    const [call] = harness.smhCalls('begin-simple')
    expect(JSON.parse(call?.body ?? '')).toEqual(details)
    expect(call?.method).toBe('PUT')
    expect(call?.query).toMatchObject({ conflict_resolution_strategy: 'ask', filesize: '5' })
    expect(call?.query).not.toHaveProperty('multipart')
    expect(call?.headers['x-smh-meta-from']).toBe('y')
  })

  test.each(['linkTo', 'copyFrom', 'from'])('a body with %s returns 400', async (field) => {
    const harness = await startHarness()
    const body = { path: 'a', size: 1, method: 'simple', [field]: '/users/bob/secret' }
    const response = await harness.request('POST', '/v1/uploads', { body })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(problem.errors).toEqual([{ field, message: 'is unknown' }])
    expect(harness.smhCalls()).toEqual([])
  })

  test.each([undefined, 'multipart'])('size 0 with the method %s returns 400', async (method) => {
    const harness = await startHarness()
    const body = { path: 'a', size: 0, method }
    const response = await harness.request('POST', '/v1/uploads', { body })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(problem.errors).toEqual([{ field: 'size', message: expect.stringContaining('simple') }])
    expect(harness.smhCalls()).toEqual([])
  })

  test.each([
    ['1048576', MiB],
    ['10', 10],
    ['0', 0],
  ])(
    'above UPLOAD_SIMPLE_MAX_BYTES=%s begin returns 413 and names multipart',
    async (limit, max) => {
      const harness = await startHarness({ environment: { UPLOAD_SIMPLE_MAX_BYTES: limit } })
      await beginSimple(harness, max)
      const body = { path: 'a', size: max + 1, method: 'simple' }
      const response = await harness.request('POST', '/v1/uploads', { body })
      const { detail } = await expectProblem(response, 413, 'file_too_large')
      expect(detail).toContain('multipart')
      await harness.begin({ path: 'a', size: max + 1 })
    },
  )

  test.each(['form', 'Simple', '', null])('the method %j returns 400', async (method) => {
    const harness = await startHarness()
    const body = { path: 'a', size: 1, method }
    const response = await harness.request('POST', '/v1/uploads', { body })
    const { errors } = await expectProblem(response, 400, 'invalid_request')
    expect(errors).toEqual([{ field: 'method', message: expect.any(String) }])
  })

  test('complete before the PUT returns 422, and after it the file is stored', async () => {
    const harness = await startHarness()
    const credentials = await beginSimple(harness, 5)
    await expectProblem(await harness.complete(credentials), 422, 'upload_incomplete')
    await put(credentials, new Uint8Array(5))
    expect((await harness.complete(credentials)).status).toBe(200)
  })

  test('bytes of another size return 422 after the confirm and in each repeat, and the log has an error', async () => {
    const harness = await startHarness()
    const credentials = await beginSimple(harness, 5)
    await put(credentials, new Uint8Array(6))
    const { detail } = await expectProblem(
      await harness.complete(credentials),
      422,
      'size_mismatch',
    )
    expect(detail).toContain('6 bytes, but 5')
    expect((await harness.records()).at(-1)).toMatchObject({
      level: 'error',
      reason: 'stored_size',
      declaredSize: 5,
      storedSize: 6,
    })
    await expectProblem(await harness.complete(credentials), 422, 'size_mismatch')
    expect((await harness.records()).at(-1)).toMatchObject({ level: 'warn' })
  })

  test('bytes above UPLOAD_MAX_BYTES return 413 after the confirm', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_BYTES: '5' } })
    const credentials = await beginSimple(harness, 5)
    await put(credentials, new Uint8Array(6))
    await expectProblem(await harness.complete(credentials), 413, 'file_too_large')
  })

  test('a wrong crc64 returns 422', async () => {
    const harness = await startHarness()
    const credentials = await beginSimple(harness, 5)
    await put(credentials, new Uint8Array(5))
    const response = await harness.complete(credentials, { body: { crc64: '1' } })
    await expectProblem(response, 422, 'checksum_mismatch')
  })

  test('an empty file has the CRC-64 0', async () => {
    const harness = await startHarness()
    const credentials = await beginSimple(harness, 0)
    await put(credentials, new Uint8Array())
    const response = await harness.complete(credentials, { body: { crc64: '0' } })
    expect(await response.json()).toMatchObject({ size: 0, crc64: '0' })
  })

  test('the status names the method and has no parts', async () => {
    const harness = await startHarness()
    const credentials = await beginSimple(harness, 5)
    const open = { confirmed: false, method: 'simple', path: ['a.txt'], size: 5 }
    expect(await (await status(harness, credentials)).json()).toEqual(open)
    await put(credentials, new Uint8Array(5))
    await harness.complete(credentials)
    expect(await (await status(harness, credentials)).json()).toEqual({ ...open, confirmed: true })
  })

  test('renew returns 409 without a call to SMH', async () => {
    const harness = await startHarness()
    const { confirmKey } = await beginSimple(harness, 5)
    harness.emulator.controls.clearCalls()
    const response = await harness.request('POST', `/v1/uploads/${confirmKey}/renew`)
    await expectProblem(response, 409, 'not_renewable')
    expect(harness.smhCalls()).toEqual([])
  })

  test('abort drops the task, and a repeat returns 204', async () => {
    const harness = await startHarness()
    const credentials = await beginSimple(harness, 5)
    const abort = () => harness.request('DELETE', `/v1/uploads/${credentials.confirmKey}`)
    expect((await abort()).status).toBe(204)
    expect(harness.emulator.controls.openTasks()).toEqual([])
    expect((await abort()).status).toBe(204)
    await expectProblem(await harness.complete(credentials), 404, 'upload_not_found')
  })

  test('a missing folder is created', async () => {
    const harness = await startHarness()
    await beginSimple(harness, 0, { path: 'a/b/c/.gitkeep' })
    expect(harness.smhCalls('begin-simple')).toHaveLength(2)
  })

  test('another user cannot use its confirm key', async () => {
    const harness = await startHarness()
    const credentials = await beginSimple(harness, 5)
    await put(credentials, new Uint8Array(5))
    const response = await harness.complete(credentials, { as: bob })
    await expectProblem(response, 404, 'upload_not_found')
  })

  test('a confirm key with the case of its strategy changed returns 404', async () => {
    const harness = await startHarness()
    const { confirmKey } = await beginSimple(harness, 5)
    const changed = confirmKey.replace('.R.', '.r.')
    expect(changed).not.toBe(confirmKey)
    const response = await harness.request('GET', `/v1/uploads/${changed}`)
    await expectProblem(response, 404, 'upload_not_found')
  })
})
