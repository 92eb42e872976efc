import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { EmulatorControls } from '../../src/emulator/controls.ts'
import type { Emulator } from '../../src/emulator/start.ts'
import { crc64Of, createSmhClient, filled, MIB, type SmhClient } from '../support/smh-client.ts'
import { emulatorTarget } from '../support/smh-target.ts'

let emulator: Emulator
let controls: EmulatorControls
let smh: SmhClient
let token: string

beforeAll(async () => {
  const target = await emulatorTarget()
  emulator = target.emulator
  controls = emulator.controls
  smh = createSmhClient(target)
})

beforeEach(async () => {
  await controls.reset()
  token = await smh.mint('upload_file,create_directory', { user_id: 'u-1' })
})

afterAll(() => emulator.close())

const root = () => smh.directory('HEAD', '', { token })

async function admin(name: string, body?: object): Promise<unknown> {
  const response = await fetch(`${emulator.adminUrl}/__admin/${name}`, {
    method: 'POST',
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(await response.text())
  return response.json()
}

describe('faults', () => {
  test('a fault replaces the response `times` times', async () => {
    controls.force('begin-multipart', { status: 503, code: 'ServerOverloaded', times: 2 })
    for (const _ of [1, 2]) {
      const { status, body, headers } = await smh.begin(token, 'a.bin')
      expect([status, body.code]).toEqual([503, 'ServerOverloaded'])
      expect(body.requestId).toBe(headers.get('x-request-id'))
    }
    expect(controls.openTasks()).toEqual([])
    expect((await smh.begin(token, 'a.bin')).status).toBe(201)
  })

  test('a fault may have any body, content type and header', async () => {
    controls.force('begin-multipart', {
      status: 429,
      body: '<html>',
      contentType: 'text/html',
      headers: { 'Retry-After': '7' },
    })
    const { status, text, headers } = await smh.begin(token, 'a.bin')
    expect([status, text, headers.get('content-type')]).toEqual([429, '<html>', 'text/html'])
    expect(headers.get('retry-after')).toBe('7')
  })

  test('a fault of COS is an XML document', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    controls.force('put-part', { status: 503, code: 'SlowDown' })
    const refused = await smh.putPart(task, 1, filled(3))
    expect([refused.status, refused.text]).toEqual([503, expect.stringContaining('SlowDown')])
    expect((await smh.putPart(task, 1, filled(3))).status).toBe(200)
  })

  test('drop: closes the connection before or after the call is processed', async () => {
    controls.force('create-directory', { drop: 'before' })
    await expect(smh.directory('PUT', 'early', { token })).rejects.toThrow()
    expect(controls.directories()).toEqual([])
    controls.force('create-directory', { drop: 'after' })
    await expect(smh.directory('PUT', 'late', { token })).rejects.toThrow()
    expect(controls.directories()).toEqual([['late']])
    expect(controls.calls().slice(-2)).toMatchObject([{ status: null }, { status: null }])
  })

  test('delayMs only delays, match selects calls, and clearing removes faults', async () => {
    controls.force('directory-head', { delayMs: 1, status: 418 })
    expect((await root()).status).toBe(418)
    controls.force('directory-head', { delayMs: 1, times: Number.POSITIVE_INFINITY })
    expect((await root()).status).toBe(200)
    controls.clearFaults()
    controls.force('begin-multipart', { status: 500, match: ({ path }) => path.endsWith('b.bin') })
    expect((await smh.begin(token, 'a.bin')).status).toBe(201)
    expect((await smh.begin(token, 'b.bin')).status).toBe(500)
  })

  test('one fault can be removed while the others stay', async () => {
    const takeBack = controls.force('directory-head', { status: 418, times: 2 })
    controls.force('directory-head', { status: 500 })
    expect((await root()).status).toBe(418)
    takeBack()
    expect((await root()).status).toBe(500)
    expect((await root()).status).toBe(200)
  })

  test('userId: calls of this user fail, those of another user succeed', async () => {
    const other = await smh.mint('upload_file', { user_id: 'u-2' })
    const task = await smh.beginTask(token, 'a.bin')
    const others = await smh.beginTask(other, 'b.bin')
    const always = { userId: 'u-1', times: Number.POSITIVE_INFINITY }
    controls.force('begin-multipart', { status: 429, code: 'RateLimitExceeded', ...always })
    controls.force('status', { drop: 'before', ...always })
    controls.force('put-part', { status: 503, ...always })
    controls.force('mint-token', { status: 503, ...always })
    expect((await smh.begin(token, 'c.bin')).status).toBe(429)
    expect((await smh.begin(other, 'c.bin')).status).toBe(201)
    await expect(smh.status(token, task.confirmKey)).rejects.toThrow()
    expect((await smh.status(other, others.confirmKey)).status).toBe(200)
    expect((await smh.putPart(task, 1, filled(3))).status).toBe(503)
    expect((await smh.putPart(others, 1, filled(3))).status).toBe(200)
    expect(await smh.mint('upload_file', { user_id: 'u-1' })).toBe('undefined')
    expect(await smh.mint('upload_file', { user_id: 'u-2' })).toMatch(/^acctk/)
    expect(controls.calls().at(-1)).toMatchObject({ userId: 'u-2' })
  })

  test('userId: also applies to a token without a user that acts for this user', async () => {
    const admin = await smh.mint('admin')
    controls.force('begin-multipart', { status: 429, userId: 'u-1' })
    expect((await smh.begin(admin, 'a.bin', { query: { user_id: 'u-2' } })).status).toBe(201)
    expect((await smh.begin(admin, 'a.bin', { query: { user_id: 'u-1' } })).status).toBe(429)
  })

  test('last-byte: status lists a held part only after its release', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    const hold = controls.hold('put-part', { at: 'last-byte' })
    const part = smh.putPart(task, 1, filled(3))
    expect(await hold.reached).toMatchObject({ route: 'put-part', bodyBytes: 3, userId: 'u-1' })
    expect((await smh.status(token, task.confirmKey)).body.parts).toEqual([])
    // COS has checked the signature on arrival.
    controls.expireCredentials(task.confirmKey)
    hold.release()
    expect((await part).status).toBe(200)
    expect((await smh.status(token, task.confirmKey)).body.parts).toMatchObject([{ Size: 3 }])
  })

  test('last-byte: a held part is rejected after its upload is confirmed', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    await smh.putPart(task, 1, filled(3))
    const hold = controls.hold('put-part', { at: 'last-byte' })
    const late = smh.putPart(task, 1, filled(9))
    await hold.reached
    expect((await smh.confirm(token, task.confirmKey)).body.size).toBe('3')
    hold.release()
    expect((await late).status).toBe(404)
  })

  test('hold: a held confirm can answer 500 without effect', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    await smh.putPart(task, 1, filled(MIB))
    const hold = controls.hold('confirm', { status: 500, userId: 'u-1' })
    const confirm = smh.confirm(token, task.confirmKey)
    await hold.reached
    expect((await smh.putPart(task, 2, filled(3))).status).toBe(200)
    hold.release()
    expect((await confirm).status).toBe(500)
    expect((await smh.confirm(token, task.confirmKey)).body.size).toBe(String(MIB + 3))
  })

  test('hold: parts that arrive while a confirm is held become part of the file', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    await smh.putPart(task, 1, filled(MIB))
    const hold = controls.hold('confirm', {})
    const confirm = smh.confirm(token, task.confirmKey)
    await hold.reached
    await smh.putPart(task, 2, filled(3))
    hold.release()
    expect((await confirm).body.size).toBe(String(MIB + 3))
  })

  test('clearing the faults releases held calls; only uploads have a last byte', async () => {
    const hold = controls.hold('directory-head', { status: 418 })
    const held = root()
    await hold.reached
    controls.clearFaults()
    expect((await held).status).toBe(418)
    expect(() => controls.hold('confirm', { at: 'last-byte' })).toThrow('put-part')
  })

  test('while COS is down, it closes all connections', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    controls.force('put-part', { delayMs: 3_600_000 })
    const held = smh.putPart(task, 1, filled(3))
    held.catch(() => {})
    await expect.poll(() => controls.calls().at(-1)?.route).toBe('put-part')
    controls.cosDown(true)
    await expect(held).rejects.toThrow()
    await expect(smh.putPart(task, 1, filled(3))).rejects.toThrow()
    expect((await root()).status).toBe(200)
    controls.cosDown(false)
    expect((await smh.putPart(task, 1, filled(3))).status).toBe(200)
  })

  test("drop 'midway': the response breaks off after the call is processed", async () => {
    controls.force('create-directory', { drop: 'midway' })
    await expect(smh.directory('PUT', 'half', { token })).rejects.toThrow()
    expect(controls.directories()).toEqual([['half']])
    controls.force('create-directory', { drop: 'midway', status: 200, body: '{"path":[]}' })
    await expect(smh.directory('PUT', 'none', { token })).rejects.toThrow()
    expect(controls.directories()).toEqual([['half']])
  })

  test('bodyDelayMs: the second half of the body arrives late', async () => {
    controls.force('begin-multipart', { bodyDelayMs: 1, headers: { 'x-fault': 'slow' } })
    const { status, body, headers } = await smh.begin(token, 'a.bin')
    expect([status, headers.get('x-fault')]).toEqual([201, 'slow'])
    expect(body.confirmKey).toEqual(expect.any(String))
  })

  test('refuse-connections: no connection succeeds until it is switched off', async () => {
    await root()
    await admin('refuse-connections', { refused: true })
    await expect(root()).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
    await admin('refuse-connections', { refused: false })
    expect((await root()).status).toBe(200)
  })

  test('close does not wait for delays and holds', async () => {
    const other = await emulatorTarget()
    const client = createSmhClient(other)
    other.emulator.controls.force('mint-token', { delayMs: 3_600_000 })
    const held = client.mint('')
    held.catch(() => {})
    await expect.poll(() => other.emulator.controls.calls().length).toBe(1)
    const hold = other.emulator.controls.hold('mint-token', {})
    const alsoHeld = client.mint('')
    alsoHeld.catch(() => {})
    await hold.reached
    await other.close()
    await expect(held).rejects.toThrow()
    await expect(alsoHeld).rejects.toThrow()
  })
})

describe('recorded calls', () => {
  test('contain what SMH and COS received', async () => {
    controls.clearCalls()
    const task = await smh.beginTask(token, 'two words.bin', {
      body: { labels: ['x'] },
      headers: { 'x-smh-meta-a': 'b' },
    })
    await smh.putPart(task, 1, filled(3))
    expect(controls.calls()).toMatchObject([
      {
        host: 'smh',
        route: 'begin-multipart',
        method: 'POST',
        path: `/api/v1/file/${emulator.libraryId}/-/two%20words.bin`,
        query: { multipart: '', access_token: token },
        headers: { 'x-smh-meta-a': 'b' },
        body: '{"labels":["x"]}',
        bodyBytes: 16,
        status: 201,
      },
      { host: 'cos', route: 'put-part', query: { partNumber: '1' }, bodyBytes: 3, status: 200 },
    ])
  })

  test('an unknown call has the route unknown', async () => {
    const { status, body } = await smh.call('PATCH', '/file/x/-/a', { token })
    expect([status, body.code]).toEqual([404, 'RouteNotFound'])
    expect(controls.calls().at(-1)).toMatchObject({ route: 'unknown', method: 'PATCH' })
  })
})

describe('state', () => {
  test('corrupt-part: the CRC64 of the whole no longer matches', async () => {
    const parts = [filled(MIB, 'a'), filled(9, 'b')]
    const task = await smh.beginTask(token, 'a.bin')
    for (const [index, bytes] of parts.entries()) await smh.putPart(task, index + 1, bytes)
    await controls.corruptPart(task.confirmKey, 2)
    const crc64 = await crc64Of(...parts)
    const refused = await smh.confirm(token, task.confirmKey, { body: { crc64 } })
    expect([refused.status, refused.body.code]).toEqual([400, 'BadCrc64'])
    await smh.confirm(token, task.confirmKey)
    const stored = new Response(controls.readFile('-', ['a.bin']))
    const bytes = new Uint8Array(await stored.arrayBuffer())
    expect(await crc64Of(bytes)).toBe(controls.files()[0]?.crc64)
    expect(Buffer.from(bytes.subarray(MIB)).toString('latin1')).toBe('bbbb\x9dbbbb')
  })

  test('corrupt-part: a file that is confirmed meanwhile has the CRC64 of its bytes', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    await smh.putPart(task, 1, filled(4 * MIB, 'a'))
    let corrupting: Promise<unknown> = Promise.resolve()
    const match = () => {
      corrupting = controls.corruptPart(task.confirmKey, 1).catch(() => {})
      return false
    }
    controls.force('confirm', { match })
    expect((await smh.confirm(token, task.confirmKey)).status).toBe(200)
    await corrupting
    const stored = new Response(controls.readFile('-', ['a.bin']))
    const bytes = new Uint8Array(await stored.arrayBuffer())
    expect(await crc64Of(bytes)).toBe(controls.files()[0]?.crc64)
  })

  test('files: contain all details of a file', async () => {
    await smh.directory('PUT', 'd/e', { token })
    await smh.upload(token, 'd/clip.mp4', [filled(3)], {
      headers: { 'x-smh-meta-a': 'b' },
      body: { labels: ['x'], category: 'c', localCreationTime: '2025-03-09T11:22:33Z' },
    })
    expect(controls.directories('-')).toEqual([['d'], ['d', 'e']])
    expect(controls.files('-')).toMatchObject([
      {
        spaceId: '-',
        path: ['d', 'clip.mp4'],
        size: 3,
        userId: 'u-1',
        contentType: 'video/mp4',
        metaData: { 'x-smh-meta-a': 'b' },
        labels: ['x'],
        category: 'c',
        localCreationTime: '2025-03-09T11:22:33Z',
      },
    ])
  })

  test('set-credential-ttl: applies to new credentials', async () => {
    const left = async () => {
      const task = await smh.beginTask(token, 'a.bin')
      const [, from, until] = /q-key-time=(\d+);(\d+)/.exec(task.headers.Authorization ?? '') ?? []
      return Number(until) - Number(from)
    }
    controls.setCredentialTtl(60)
    expect(await left()).toBe(60)
    controls.setCredentialTtl(null)
    expect(await left()).toBe(7200)
  })

  test('expire-token: one token or all tokens expire', async () => {
    const other = await smh.mint('')
    controls.expireToken(token)
    expect((await root()).status).toBe(403)
    expect((await smh.directory('HEAD', '', { token: other })).status).toBe(200)
    controls.expireToken()
    expect((await smh.directory('HEAD', '', { token: other })).status).toBe(403)
  })

  test('set-library-secret: replaces the old secret, or keeps it valid', async () => {
    const old = emulator.librarySecret
    const mint = async (secret: string) =>
      (await smh.mint('', { library_secret: secret })).startsWith('acctk')
    controls.setLibrarySecret('second', { keepOld: true })
    expect([await mint(old), await mint('second'), emulator.librarySecret]).toEqual([
      true,
      true,
      'second',
    ])
    controls.setLibrarySecret('second')
    expect([await mint(old), await mint('second')]).toEqual([false, true])
    expect((await root()).status).toBe(200)
    await admin('set-library-secret', { secret: 'third', keepOld: true })
    expect([await mint(old), await mint('second'), await mint('third')]).toEqual([
      false,
      true,
      true,
    ])
    await expect(admin('set-library-secret', { secret: '' })).rejects.toThrow('secret')
    await controls.reset()
    expect([await mint(old), await mint('third')]).toEqual([true, false])
  })

  test('set-variant: SMH answers like older versions', async () => {
    controls.setVariant({ beginStatus: 200, uploadIncompleteStatus: 400, flags: 'valued' })
    const bare = await smh.begin(token, 'a.bin')
    expect([bare.status, bare.body.code]).toEqual([400, 'ParamInvalid'])
    const valued = await smh.begin(token, 'a.bin', { query: { multipart: '1' } })
    expect(valued.status).toBe(200)
    expect(valued.body).toHaveProperty('confirmKey')
    const simple = await smh.file('PUT', 'b.bin', { token })
    const key = String(simple.body.confirmKey)
    expect((await smh.confirm(token, key, { query: { confirm: '1' } })).status).toBe(400)
    controls.setVariant({ flags: 'bare' })
    expect((await smh.begin(token, 'a.bin')).status).toBe(200)
  })

  test('add-extra-reply-fields: only successful JSON objects have them', async () => {
    controls.addExtraReplyFields({ canary: 'x1', confirmKey: 'x2' })
    const { body } = await smh.begin(token, 'a.bin')
    expect(body.canary).toBe('x1')
    expect(body.confirmKey).toMatch(/^[0-9a-f]{64}$/)
    expect((await smh.begin(token, 'no/a.bin')).body).not.toHaveProperty('canary')
  })

  test('reset: only the library stays', async () => {
    await smh.upload(token, 'a.bin', [filled(3)])
    controls.advanceClock(1000)
    controls.force('mint-token', { status: 500 })
    controls.addExtraReplyFields({ canary: 1 })
    await controls.reset()
    expect([controls.calls(), controls.files(), controls.openTasks()]).toEqual([[], [], []])
    expect((await root()).status).toBe(403)
    token = await smh.mint('')
    expect((await root()).status).toBe(200)
  })
})

describe('controls over HTTP', () => {
  test('do the same as the controls in-process', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    await smh.putPart(task, 1, filled(3))
    expect(await admin('open-tasks')).toMatchObject([{ confirmKey: task.confirmKey }])
    await admin('expire-credentials', { confirmKey: task.confirmKey })
    expect((await smh.putPart(task, 2, filled(3))).status).toBe(403)
    await admin('corrupt-part', { confirmKey: task.confirmKey, partNumber: 1 })
    await admin('force', { route: 'confirm', fault: { status: 500, times: null } })
    for (const _ of [1, 2]) expect((await smh.confirm(token, task.confirmKey)).status).toBe(500)
    await admin('clear-faults')
    await admin('lose-confirm-response', { times: 1 })
    await expect(smh.confirm(token, task.confirmKey)).rejects.toThrow()
    expect(await admin('files', { spaceId: '-' })).toMatchObject([{ path: ['a.bin'] }])
    expect(await admin('files', { spaceId: 'other' })).toEqual([])
    await admin('set-quota', { spaceId: '-', bytes: 3 })
    const full = await smh.begin(token, 'b.bin', { query: { filesize: '1' } })
    expect(full.body.code).toBe('QuotaLimitReached')
    await admin('set-quota', { spaceId: '-', bytes: null })
    await admin('set-variant', { variant: { beginStatus: 200 } })
    await admin('add-extra-reply-fields', { fields: { canary: 1 } })
    const begun = await smh.begin(token, 'b.bin', { query: { filesize: '1' } })
    expect([begun.status, begun.body.canary]).toEqual([200, 1])
    await admin('advance-clock', { ms: 86_400_000 })
    expect((await root()).status).toBe(403)
    await admin('set-credential-ttl', { seconds: 60 })
    await admin('cos-down', { isDown: true })
    await expect(fetch(emulator.cosUrl)).rejects.toThrow()
    await admin('cos-down', { isDown: false })
    await admin('expire-token', { token })
    await admin('clear-calls')
    await smh.directory('PUT', 'd', { token })
    const calls = await fetch(`${emulator.adminUrl}/__admin/calls`)
    expect(await calls.json()).toMatchObject([{ route: 'create-directory', status: 403 }])
    await admin('reset')
    expect(await admin('directories')).toEqual([])
  })

  test('hold a call until its release', async () => {
    const { hold } = (await admin('hold', {
      route: 'confirm',
      fault: { status: 503, userId: 'u-1' },
    })) as { hold: number }
    const task = await smh.beginTask(token, 'a.bin')
    const confirm = smh.confirm(token, task.confirmKey)
    const reached = { hold, route: 'confirm', reached: true }
    await expect.poll(() => admin('holds')).toEqual([reached])
    await admin('release', { hold })
    expect((await confirm).status).toBe(503)
    expect(await admin('holds')).toEqual([])
    await expect(admin('release', { hold })).rejects.toThrow('No such hold')
  })

  test('answer 400 or 404 to mistakes', async () => {
    await expect(admin('force', { route: 'nonsense', fault: {} })).rejects.toThrow(
      'begin-multipart',
    )
    await expect(admin('advance-clock', {})).rejects.toThrow('number')
    await expect(admin('set-variant', { variant: { flags: 'odd' } })).rejects.toThrow('variant')
    await expect(admin('force', { route: 'confirm', fault: { staus: 1 } })).rejects.toThrow('staus')
    const fault = { at: 'noon' }
    await expect(admin('hold', { route: 'confirm', fault })).rejects.toThrow('last-byte')
    await expect(admin('force', { route: 'confirm', fault: { userId: 1 } })).rejects.toThrow(
      'string',
    )
    await expect(admin('nonsense')).rejects.toThrow('No such control')
    const list = await (await fetch(`${emulator.adminUrl}/__admin`)).json()
    expect(list).toMatchObject({
      get: { calls: '{}' },
      post: { 'advance-clock': '{ ms: number }' },
      routes: expect.arrayContaining(['put-part']),
    })
  })
})
