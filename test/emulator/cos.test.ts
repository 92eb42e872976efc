import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Emulator } from '../../src/emulator/start.ts'
import { createSmhClient, filled, type SmhClient, type Task } from '../support/smh-client.ts'
import { emulatorTarget } from '../support/smh-target.ts'

let emulator: Emulator
let smh: SmhClient
let token: string
let directory: string
let task: Task

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smh-cos-test-'))
  const target = await emulatorTarget({ directory, corsOrigins: ['https://app.example'] })
  emulator = target.emulator
  smh = createSmhClient(target)
})

beforeEach(async () => {
  await emulator.controls.reset()
  token = await smh.mint('upload_file')
  task = await smh.beginTask(token, 'a.bin')
})

afterAll(async () => {
  await emulator.close()
  await rm(directory, { recursive: true })
})

const code = (text: string) => /<Code>(.*)<\/Code>/.exec(text)?.[1]

/** A request for a part whose body is not sent yet. */
function openPart(headers: Record<string, string>): ClientRequest {
  const url = `${emulator.cosUrl}${task.path}?uploadId=${task.uploadId}&partNumber=1`
  return request(url, { method: 'PUT', headers: { ...task.headers, ...headers } })
}

/** Resolves when COS has received this many bytes of the last call. */
async function taken(bytes: number) {
  await expect.poll(() => emulator.controls.calls().at(-1)?.bodyBytes).toBe(bytes)
}

describe('COS', () => {
  const base64Md5 = (text: string) => createHash('md5').update(text).digest('base64')

  test.each<[string, (given: Task) => Task, Record<string, string>, number, number, string]>([
    ['another upload id', (t) => ({ ...t, uploadId: 'x' }), {}, 1, 404, 'NoSuchUpload'],
    ['part number 0', (t) => t, {}, 0, 400, 'InvalidArgument'],
    ['part number 10001', (t) => t, {}, 10_001, 400, 'InvalidArgument'],
    ['a fraction', (t) => t, {}, 1.5, 400, 'InvalidArgument'],
    ['another key', (t) => ({ ...t, path: `${t.path}x` }), {}, 1, 403, 'SignatureDoesNotMatch'],
    ['another token', (t) => t, { 'x-cos-security-token': 'x' }, 1, 403, 'SignatureDoesNotMatch'],
    ['no signature', (t) => ({ ...t, headers: {} }), {}, 1, 403, 'AccessDenied'],
    ['a wrong MD5', (t) => t, { 'Content-MD5': base64Md5('x') }, 1, 400, 'BadDigest'],
    ['no MD5', (t) => t, { 'Content-MD5': 'x' }, 1, 400, 'InvalidDigest'],
    ['a low limit', (t) => t, { 'x-cos-traffic-limit': '819199' }, 1, 400, 'InvalidArgument'],
  ])('rejects %s', async (_, change, headers, number, status, expected) => {
    const answer = await smh.putPart(change(task), number, filled(3), headers)
    expect([answer.status, code(answer.text)]).toEqual([status, expected])
    expect(answer.text).toContain(`<RequestId>${answer.headers.get('x-cos-request-id')}<`)
    expect(emulator.controls.openTasks()[0]?.parts).toEqual([])
  })

  /** Sends headers that fetch cannot send. Resolves to the response before any body is sent. */
  function headersOnly(headers: Record<string, string>): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = openPart(headers)
      sent.on('response', (response) => {
        resolve(response)
        sent.destroy()
      })
      sent.on('error', reject)
      sent.flushHeaders()
    })
  }

  test('rejects a body of unknown length or over 5 GiB', async () => {
    expect((await headersOnly({ 'Transfer-Encoding': 'chunked' })).statusCode).toBe(411)
    const large = String(5 * 1024 ** 3 + 1)
    expect((await headersOnly({ 'Content-Length': large })).statusCode).toBe(400)
  })

  test('accepts a correct MD5 and a traffic limit within bounds', async () => {
    const limited = await smh.beginTask(token, 'b.bin', { query: { traffic_limit: '102400' } })
    expect(limited.headers['x-cos-traffic-limit']).toBe(819_200)
    const headers = { 'Content-MD5': base64Md5('aaa') }
    const answer = await smh.putPart(limited, 1, filled(3), headers)
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(answer.headers.get('server')).toBe('tencent-cos')
  })

  test('rejects other methods', async () => {
    const answer = await fetch(`${emulator.cosUrl}${task.path}`, { method: 'PATCH' })
    expect([answer.status, code(await answer.text())]).toEqual([405, 'MethodNotAllowed'])
  })
})

test('a repeated part replaces the first one', async () => {
  await smh.putPart(task, 1, filled(3))
  await smh.putPart(task, 1, filled(5))
  expect(emulator.controls.openTasks()).toMatchObject([
    { path: ['a.bin'], parts: [{ number: 1, size: 5, receivedTimes: 2 }] },
  ])
  expect((await smh.confirm(token, task.confirmKey)).body.size).toBe('5')
})

test('a broken connection leaves no part', async () => {
  await smh.putPart(task, 1, filled(3))
  const sent = openPart({ 'Content-Length': '10' })
  sent.on('error', () => {})
  sent.write('12345')
  await taken(5)
  sent.destroy()
  await expect.poll(() => readdir(join(directory, 'blobs'))).toHaveLength(1)
  expect(emulator.controls.calls().at(-1)).toMatchObject({ route: 'put-part', status: null })
  expect(emulator.controls.openTasks()[0]?.parts).toMatchObject([{ size: 3, receivedTimes: 1 }])
})

test('a part is rejected when its upload is cancelled in the meantime', async () => {
  const sent = openPart({ 'Content-Length': '10' })
  const response = once(sent, 'response')
  sent.write('12345')
  await taken(5)
  await smh.cancel(token, task.confirmKey)
  sent.end('67890')
  const [{ statusCode }] = (await response) as [IncomingMessage]
  expect(statusCode).toBe(404)
  expect(await readdir(join(directory, 'blobs'))).toEqual([])
})

test('the upload id is unknown after the confirm', async () => {
  await smh.putPart(task, 1, filled(3))
  await smh.confirm(token, task.confirmKey)
  expect(code((await smh.putPart(task, 2, filled(3))).text)).toBe('NoSuchUpload')
})

describe('other ways to upload', () => {
  test('simple: one PUT without parts, and no renewal', async () => {
    const begun = await smh.file('PUT', 'simple.txt', { token })
    expect(begun.body).not.toHaveProperty('uploadId')
    const simple = begun.body as unknown as Task
    const early = await smh.confirm(token, simple.confirmKey)
    expect([early.status, early.body.code]).toEqual([404, 'UploadIncomplete'])
    const renewed = await smh.renew(token, simple.confirmKey)
    expect([renewed.status, renewed.body.code]).toEqual([400, 'NotMultipartUpload'])
    const { headers, path } = simple
    const sent = await fetch(`${emulator.cosUrl}${path}`, { method: 'PUT', headers, body: 'hello' })
    expect(sent.headers.get('etag')).toBe('"5d41402abc4b2a76b9719d911017c592"')
    const confirmed = await smh.confirm(token, simple.confirmKey)
    expect(confirmed.body).toMatchObject({ size: '5', eTag: '"5d41402abc4b2a76b9719d911017c592"' })
  })

  test('form: the given fields, then the file', async () => {
    const { body } = await smh.file('POST', 'photo.jpg', { token })
    const post = (change: Record<string, string>) => {
      const form = new FormData()
      const fields = { ...(body.form as Record<string, string>), ...change }
      for (const [name, value] of Object.entries(fields)) form.append(name, value)
      form.append('file', new Blob(['hello']), 'any.jpg')
      return fetch(`http://${body.domain}${body.path}`, { method: 'POST', body: form })
    }
    const policy = Buffer.from('{}').toString('base64')
    expect((await post({ policy })).status).toBe(403)
    expect((await post({ key: task.path.slice(1) })).status).toBe(403)
    expect((await post({})).status).toBe(204)
    const confirmed = await smh.confirm(token, String(body.confirmKey))
    expect(confirmed.body).toMatchObject({ size: '5', contentType: 'image/jpeg', type: 'image' })
    expect((await post({})).status).toBe(403)
  })
})

describe('downloads', () => {
  test('302 redirects to a link that expires', async () => {
    await smh.upload(token, 'd.txt', [filled(7, 'd')])
    const query = { period: '60', content_disposition: 'attachment; filename="ü.txt"' }
    const { status, headers } = await smh.file('GET', 'd.txt', { token, query })
    expect(status).toBe(302)
    const link = headers.get('location') ?? ''
    const served = await fetch(link)
    expect(await served.text()).toBe('ddddddd')
    expect(served.headers.get('content-disposition')).toBe('attachment; filename="%C3%BC.txt"')
    expect(served.headers.get('etag')).toBe(emulator.controls.files()[0]?.eTag)
    expect((await fetch(link.replace('filename', 'filenome'))).status).toBe(403)
    emulator.controls.advanceClock(60_000)
    expect((await fetch(link)).status).toBe(403)
  })

  test('a deleted file and its bytes are gone', async () => {
    await smh.upload(token, 'd.txt', [filled(7, 'd')])
    const { body } = await smh.file('GET', 'd.txt', { token, query: { info: '' } })
    const remover = await smh.mint('delete_file')
    expect((await smh.file('DELETE', 'd.txt', { token })).status).toBe(403)
    expect((await smh.file('DELETE', 'd.txt', { token: remover })).status).toBe(204)
    expect((await smh.file('DELETE', 'd.txt', { token: remover })).status).toBe(404)
    expect((await smh.file('HEAD', 'd.txt', { token })).status).toBe(404)
    expect(code(await (await fetch(String(body.cosUrl))).text())).toBe('NoSuchKey')
  })
})

describe('CORS', () => {
  const preflight = (origin: string, url: string) =>
    fetch(url, {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'PUT',
        'Access-Control-Request-Headers': 'authorization,x-cos-security-token',
      },
    })

  test('the bucket allows its origins and exposes the headers that uploaders read', async () => {
    const allowed = await preflight('https://app.example', `${emulator.cosUrl}${task.path}`)
    expect(allowed.status).toBe(200)
    const headers = Object.fromEntries(allowed.headers)
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      'access-control-allow-methods': 'PUT, POST, GET, HEAD',
      'access-control-allow-headers': 'authorization,x-cos-security-token',
      'access-control-max-age': '600',
      vary: 'Origin',
    })
    const part = await smh.putPart(task, 1, filled(1), { Origin: 'https://app.example' })
    expect(part.headers.get('access-control-expose-headers')).toBe(
      'ETag, x-cos-hash-crc64ecma, x-cos-request-id, Date',
    )
  })

  test('another origin is rejected', async () => {
    const refused = await preflight('https://evil.example', `${emulator.cosUrl}${task.path}`)
    expect([refused.status, code(await refused.text())]).toEqual([403, 'AccessForbidden'])
    const part = await smh.putPart(task, 1, filled(1), { Origin: 'https://evil.example' })
    expect(part.headers.has('access-control-allow-origin')).toBe(false)
  })

  test('SMH allows every origin', async () => {
    const allowed = await preflight('https://any.example', `${emulator.smhUrl}/api/v1/token`)
    expect(allowed.status).toBe(204)
    expect(allowed.headers.get('access-control-allow-origin')).toBe('*')
  })
})
