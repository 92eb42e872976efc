import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { EmulatorControls } from '../../src/emulator/controls.ts'
import { createSmhClient, filled, MIB, type SmhClient, type Task } from '../support/smh-client.ts'
import { emulatorTarget, type SmhTarget } from '../support/smh-target.ts'

let target: SmhTarget
let controls: EmulatorControls
let smh: SmhClient
let token: string
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smh-storage-test-'))
  const started = await emulatorTarget({ directory })
  target = started
  controls = started.emulator.controls
  smh = createSmhClient(target)
})

beforeEach(async () => {
  await controls.reset()
  token = await smh.mint('space_admin')
})

afterAll(async () => {
  await target.close()
  await rm(directory, { recursive: true })
})

/** Polls, because calls do not wait for the deletion of blobs. */
const onDisk = (blobs: number) =>
  expect.poll(async () => (await readdir(join(directory, 'blobs'))).length).toBe(blobs)

const overwrite = { query: { conflict_resolution_strategy: 'overwrite' } }

describe('blobs on disk', () => {
  test('a replaced part, a cancelled upload and a deleted file leave no blob', async () => {
    const task = await smh.beginTask(token, 'a.bin')
    for (const size of [3, 4]) await smh.putPart(task, 1, filled(size))
    await smh.putPart(task, 2, filled(5))
    await onDisk(2)
    await smh.cancel(token, task.confirmKey)
    await onDisk(0)
    await smh.upload(token, 'a.bin', [filled(6)])
    await onDisk(1)
    await smh.file('DELETE', 'a.bin', { token })
    await onDisk(0)
  })

  test('overwrite leaves only the new blobs', async () => {
    await smh.upload(token, 'a.bin', [filled(6, 'a')])
    const query = { info: '', with_inode: '1' }
    const inode = async () => (await smh.directory('GET', 'a.bin', { token, query })).body.inode
    const before = await inode()
    await smh.upload(token, 'a.bin', [filled(6, 'b')], overwrite)
    await onDisk(1)
    expect(await inode()).toBe(before)
    const stored = await new Response(controls.readFile('-', ['a.bin'])).text()
    expect(stored).toBe('bbbbbb')
  })

  test('a repeated simple upload leaves only the last blob', async () => {
    const { domain, path, headers } = (await smh.file('PUT', 'a.txt', { token }))
      .body as unknown as Task
    for (const body of ['one', 'three']) {
      await fetch(`http://${domain}${path}`, { method: 'PUT', headers, body })
    }
    await onDisk(1)
  })

  test('files with the same content share blobs until the last file is deleted', async () => {
    const bytes = filled(MIB)
    const fullHash = createHash('sha256').update(bytes).digest('hex')
    await smh.upload(token, 'first.bin', [bytes])
    const second = await smh.begin(token, 'second.bin', { body: { fullHash, size: String(MIB) } })
    expect(second.status).toBe(200)
    await onDisk(1)
    await smh.file('DELETE', 'first.bin', { token })
    const info = await smh.file('GET', 'second.bin', { token, query: { info: '' } })
    const served = await (await fetch(String(info.body.cosUrl))).arrayBuffer()
    expect(served.byteLength).toBe(MIB)
    await smh.file('DELETE', 'second.bin', { token })
    await onDisk(0)
    const late = await smh.begin(token, 'third.bin', { body: { fullHash, size: String(MIB) } })
    expect(late.status).toBe(201)
  })
})

test('instant upload ignores a file under 1 MiB', async () => {
  const bytes = filled(MIB - 1)
  const hash = createHash('sha256').update(bytes).digest('hex')
  await smh.upload(token, 'small.bin', [bytes])
  const body = { beginningHash: hash, fullHash: hash, size: String(MIB - 1) }
  expect((await smh.begin(token, 'again.bin', { body })).status).toBe(201)
})

describe('quota', () => {
  test('overwrite needs only the difference, and delete frees space', async () => {
    controls.setQuota('-', 10)
    await smh.upload(token, 'a.bin', [filled(8)])
    const larger = await smh.upload(token, 'a.bin', [filled(10)], overwrite)
    expect(larger.body.size).toBe('10')
    const refused = await smh.upload(token, 'b.bin', [filled(1)])
    expect(refused.body.code).toBe('QuotaLimitReached')
    await smh.file('DELETE', 'a.bin', { token })
    expect((await smh.upload(token, 'b.bin', [filled(10)])).status).toBe(200)
  })
})

describe('owner of an upload', () => {
  test('an admin token without a user has access to all uploads; with a user, to its own', async () => {
    const uploader = await smh.mint('upload_file', { user_id: 'u-1' })
    const task = await smh.beginTask(uploader, 'a.bin')
    const query = { user_id: 'u-1' }
    const admin = await smh.mint('admin')
    expect((await smh.status(admin, task.confirmKey)).status).toBe(200)
    const other = { query: { user_id: 'u-2' } }
    expect((await smh.status(admin, task.confirmKey, other)).body.code).toBe('UploadNotBelongYou')
    const bound = await smh.mint('admin', { user_id: 'u-2' })
    const refused = await smh.status(bound, task.confirmKey, { query })
    expect(refused.body.code).toBe('UploadNotBelongYou')
  })

  test('an upload without a user is closed to every user', async () => {
    const withoutUser = await smh.mint('upload_file')
    const task = await smh.beginTask(withoutUser, 'a.bin')
    const named = await smh.mint('upload_file', { user_id: 'u-1' })
    expect((await smh.status(withoutUser, task.confirmKey)).status).toBe(200)
    expect((await smh.status(named, task.confirmKey)).body.code).toBe('UploadNotBelongYou')
  })
})

describe('confirm', () => {
  test('its strategy applies, but overwrite still needs the grant', async () => {
    const modest = await smh.mint('upload_file', { user_id: 'u-1' })
    const bold = await smh.mint('upload_file_force', { user_id: 'u-1' })
    await smh.upload(bold, 'a.bin', [filled(1)])
    const task = await smh.beginTask(bold, 'a.bin')
    await smh.putPart(task, 1, filled(2))
    const refused = await smh.confirm(modest, task.confirmKey, overwrite)
    expect([refused.status, refused.body.code]).toEqual([403, 'NoPermission'])
    const query = { conflict_resolution_strategy: 'ask' }
    const asked = await smh.confirm(modest, task.confirmKey, { query })
    expect(asked.body.code).toBe('SameNameDirectoryOrFileExists')
    const done = await smh.confirm(bold, task.confirmKey, overwrite)
    expect(done.body).toMatchObject({ name: 'a.bin', size: '2', isOverwritten: true })
    expect((await smh.status(bold, task.confirmKey)).body.force).toBe(true)
  })

  test('returns the inode on request and replaces the details of the file', async () => {
    const task = await smh.beginTask(token, 'a.bin', { body: { labels: ['old'], category: 'c' } })
    await smh.putPart(task, 1, filled(2))
    const answer = await smh.confirm(token, task.confirmKey, {
      query: { with_inode: '1', with_content_cas: '1' },
      body: { labels: ['new'] },
    })
    expect(answer.body).toMatchObject({
      inode: expect.stringMatching(/^[0-9a-f]{32}$/),
      contentCas: expect.any(String),
    })
    expect(controls.files()).toMatchObject([{ labels: ['new'], category: 'c' }])
  })

  test('lose-confirm-response: only a successful response is lost', async () => {
    controls.loseConfirmResponse(1)
    const task = await smh.beginTask(token, 'a.bin')
    expect((await smh.confirm(token, task.confirmKey)).status).toBe(400)
    await smh.putPart(task, 1, filled(2))
    await expect(smh.confirm(token, task.confirmKey)).rejects.toThrow()
    expect((await smh.confirm(token, task.confirmKey)).body.code).toBe('UploadComplete')
  })
})
