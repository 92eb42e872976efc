import { createServer } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { listen } from '../../src/demo/listen.ts'
import { createBlobStore } from '../../src/emulator/blob-store.ts'
import { createCosServer } from '../../src/emulator/cos.ts'
import { signRequest } from '../../src/emulator/cos-signature.ts'
import { createFaults } from '../../src/emulator/faults.ts'
import { serveRequest } from '../../src/emulator/http-server.ts'
import { createRecorder } from '../../src/emulator/recorder.ts'
import type { Emulator } from '../../src/emulator/start.ts'
import { cosState } from '../support/cos-state.ts'
import { createSmhClient, filled, MIB, type SmhClient } from '../support/smh-client.ts'
import { emulatorTarget } from '../support/smh-target.ts'

let emulator: Emulator
let smh: SmhClient
let token: string

beforeAll(async () => {
  const target = await emulatorTarget()
  emulator = target.emulator
  smh = createSmhClient(target)
})

beforeEach(async () => {
  await emulator.controls.reset()
  token = await smh.mint('upload_file')
})

afterAll(() => emulator.close())

/** A signed URL of a file with these parts. */
async function urlOf(parts: Uint8Array<ArrayBuffer>[]): Promise<string> {
  await smh.upload(token, 'a.bin', parts)
  return String((await smh.file('GET', 'a.bin', { token, query: { info: '' } })).body.cosUrl)
}

const get = (url: string, headers: Record<string, string> = {}) => fetch(url, { headers })

describe('ranges of a download', () => {
  const parts = [filled(MIB, 'a'), filled(10, 'b')]
  const size = MIB + 10

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=5-9', 5, 9],
    [`bytes=${MIB - 2}-${MIB + 1}`, MIB - 2, MIB + 1],
    [`bytes=${MIB}-${MIB}`, MIB, MIB],
    [`bytes=${MIB + 8}-`, MIB + 8, size - 1],
    ['bytes=-3', size - 3, size - 1],
    ['bytes=-99999999', 0, size - 1],
    [`bytes=${MIB + 9}-99999999999999999999`, MIB + 9, size - 1],
    ['Bytes=1-2', 1, 2],
  ])('%s: 206 with bytes %i to %i', async (range, first, last) => {
    const served = await get(await urlOf(parts), { range })
    expect(served.status).toBe(206)
    expect(served.headers.get('content-range')).toBe(`bytes ${first}-${last}/${size}`)
    expect(served.headers.get('content-length')).toBe(String(last - first + 1))
    const whole = Buffer.concat(parts)
    expect(whole.subarray(first, last + 1).equals(Buffer.from(await served.bytes()))).toBe(true)
  })

  test.each(['bytes=0-1,4-5', 'bytes=5-4', 'bytes=-', 'bytes=a-b', 'lines=1-2', 'bytes 0-1'])(
    '%s: the whole object',
    async (range) => {
      const served = await get(await urlOf(parts), { range })
      expect(served.status).toBe(200)
      expect(served.headers.get('accept-ranges')).toBe('bytes')
      expect(served.headers.has('content-range')).toBe(false)
      expect((await served.bytes()).length).toBe(size)
    },
  )

  test.each([`bytes=${size}-`, 'bytes=99999999-999999999', 'bytes=-0'])(
    '%s: 416 with the size of the object',
    async (range) => {
      const refused = await get(await urlOf(parts), { range })
      expect(refused.status).toBe(416)
      expect(refused.headers.get('content-range')).toBe(`bytes */${size}`)
      expect(await refused.text()).toContain('<Code>InvalidRange</Code>')
    },
  )

  test('a range of an empty object is 416', async () => {
    const { body } = await smh.file('PUT', 'empty', { token })
    const task = body as { domain: string; path: string; headers: Record<string, string> }
    const url = `http://${task.domain}${task.path}`
    await fetch(url, { method: 'PUT', headers: task.headers, body: '' })
    await smh.confirm(token, String(body.confirmKey))
    const info = await smh.file('GET', 'empty', { token, query: { info: '' } })
    const cosUrl = String(info.body.cosUrl)
    expect((await get(cosUrl, { range: 'bytes=0-' })).status).toBe(416)
    expect((await get(cosUrl, { range: 'bytes=-1' })).status).toBe(200)
  })

  test('If-Range: a range only of the same version of the object', async () => {
    const url = await urlOf([filled(9)])
    const whole = await get(url)
    const [tag, time] = [whole.headers.get('etag'), whole.headers.get('last-modified')]
    const statusIf = async (condition: string | null) =>
      (await get(url, { range: 'bytes=1-2', 'if-range': condition ?? '' })).status
    expect([await statusIf(tag), await statusIf(time)]).toEqual([206, 206])
    expect([
      await statusIf('"other"'),
      await statusIf(`W/${tag}`),
      await statusIf('Thu, 01 Jan 1970 00:00:00 GMT'),
    ]).toEqual([200, 200, 200])
  })
})

describe('HEAD of an object', () => {
  /** SMH signs no HEAD, so the test signs with its own keys. */
  async function head(headers: Record<string, string>) {
    const [key, now] = ['/smh0/5f0c.bin', 1_741_519_353]
    const state = cosState(now * 1000)
    const keys = { secretId: 'AKID', secretKey: 'k', securityToken: 't' }
    state.credentials.set('AKID', { ...keys, cosKey: key, notAfter: (now + 60) * 1000 })
    state.objects.set(key, {
      cosKey: key,
      blobs: [],
      size: 9,
      crc64: '1',
      eTag: '"e"',
      contentType: 'text/plain',
      lastModified: now * 1000,
      references: 1,
    })
    const cos = createCosServer(state, createBlobStore(''))
    const server = createServer((incoming, response) =>
      serveRequest(cos, createRecorder(), createFaults(), incoming, response),
    )
    const url = await listen(server, 0)
    onTestFinished(() => void server.close())
    const signable = { method: 'head', path: key, query: [], headers: [] }
    const authorization = signRequest('AKID', 'k', `${now};${now + 60}`, signable)
    return fetch(url + key, {
      method: 'HEAD',
      headers: { authorization, 'x-cos-security-token': 't', ...headers },
    })
  }

  test.each(['bytes=1-2', 'bytes=99-'])('%s: the headers of the whole object', async (range) => {
    const { status, headers } = await head({ range })
    expect(status).toBe(200)
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'text/plain',
      'content-length': '9',
      'accept-ranges': 'bytes',
      etag: '"e"',
      'last-modified': 'Sun, 09 Mar 2025 11:22:33 GMT',
      'x-cos-hash-crc64ecma': '1',
    })
    expect(headers.has('content-range')).toBe(false)
  })

  test('a URL that is signed for GET is rejected for HEAD', async () => {
    const url = await urlOf([filled(9)])
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(403)
    expect(emulator.controls.calls().at(-1)).toMatchObject({ route: 'head-object', status: 403 })
  })
})
