import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Emulator } from '../../src/emulator/start.ts'
import { type Answer, createSmhClient, filled, type SmhClient } from '../support/smh-client.ts'
import { emulatorTarget } from '../support/smh-target.ts'

let emulator: Emulator
let smh: SmhClient
let admin: string
let library: string

beforeAll(async () => {
  const target = await emulatorTarget({ multiTenant: true, spaces: ['team-a', 'team-b'] })
  emulator = target.emulator
  smh = createSmhClient(target)
  library = emulator.libraryId
})

beforeEach(async () => {
  await emulator.controls.reset()
  admin = await smh.mint('admin', { space_id: '' })
})

afterAll(() => emulator.close())

const refusal = ({ status, body }: Answer) => [status, body.code]

describe('tokens and spaces', () => {
  test('a token is valid for its own spaces only', async () => {
    const token = await smh.mint('upload_file', { space_id: 'team-a' })
    const head = (space: string) => smh.call('GET', `/directory/${library}/${space}/`, { token })
    expect((await head('team-a')).status).toBe(200)
    expect(refusal(await head('team-b'))).toEqual([403, 'AccessTokenNotMatchSpace'])
    expect(refusal(await head('team-c'))).toEqual([404, 'SpaceNotFound'])
    expect(refusal(await head('-'))).toEqual([400, 'SpaceIdInvalid'])
    const both = await smh.mint('', { space_id: 'team-a,team-b' })
    const other = await smh.call('GET', `/directory/${library}/team-b/`, { token: both })
    expect(other.status).toBe(200)
  })

  test('minting needs an existing space, except for grants of the whole library', async () => {
    const mint = (query: Record<string, string>) =>
      smh.call('GET', '/token', {
        query: { library_id: library, library_secret: emulator.librarySecret, ...query },
      })
    expect(refusal(await mint({ grant: 'upload_file' }))).toEqual([400, 'EmptySpaceId'])
    expect(refusal(await mint({ space_id: 'team-c' }))).toEqual([404, 'SpaceNotFound'])
    expect((await mint({ grant: 'create_space' })).status).toBe(200)
  })

  test('a confirm key of one space is unknown in another space', async () => {
    const task = await smh.beginTask(admin, 'a.bin')
    const elsewhere = await smh.call('GET', `/file/${library}/team-b/${task.confirmKey}`, {
      token: admin,
      query: { upload: '' },
    })
    expect(refusal(elsewhere)).toEqual([404, 'UploadNotFound'])
  })
})

describe('spaces', () => {
  test('can be created, listed page by page, measured and deleted', async () => {
    const query = { space_id: 'made-1' }
    const made = await smh.call('POST', `/space/${library}`, { token: admin, query })
    expect([made.status, made.body]).toEqual([201, { spaceId: 'made-1' }])
    for (const space_id of ['-a', 'A', 'a']) {
      const bad = await smh.call('POST', `/space/${library}`, { token: admin, query: { space_id } })
      expect(refusal(bad)).toEqual([400, 'SpaceIdInvalid'])
    }
    const list = (more: Record<string, string>) =>
      smh.call('GET', `/space/${library}/list`, { token: admin, query: { limit: '2', ...more } })
    const first = await list({})
    const second = await list({ marker: String(first.body.marker) })
    expect(first.body.list).toMatchObject([{ spaceId: 'team-a' }, { spaceId: 'team-b' }])
    expect(second.body).toEqual({ list: [expect.objectContaining({ spaceId: 'made-1' })] })

    await smh.upload(admin, 'a.bin', [filled(5)])
    const space = (method: string, rest = '', more: Record<string, string> = {}) =>
      smh.call(method, `/space/${library}/team-a${rest}`, { token: admin, query: more })
    expect((await space('GET', '/size')).body).toEqual({ size: '5' })
    expect(refusal(await space('DELETE'))).toEqual([409, 'SpaceNotEmpty'])
    expect((await space('DELETE', '', { force: '1' })).status).toBe(204)
    expect(refusal(await space('GET', '/size'))).toEqual([404, 'SpaceNotFound'])
    expect(emulator.controls.files()).toEqual([])
  })

  test('need grants', async () => {
    const token = await smh.mint('space_admin', { space_id: 'team-a' })
    const made = await smh.call('POST', `/space/${library}`, { token })
    const deleted = await smh.call('DELETE', `/space/${library}/team-a`, { token })
    expect([refusal(made), refusal(deleted)]).toEqual([
      [403, 'NoPermission'],
      [403, 'NoPermission'],
    ])
    const path = `/space/${library}/team-a/extension`
    const body = { isPublicRead: true }
    expect((await smh.call('POST', path, { token, body })).status).toBe(204)
    expect((await smh.call('GET', path, { token })).body).toMatchObject(body)
  })

  test('cannot be created in a single-tenant library', async () => {
    const target = await emulatorTarget()
    try {
      const single = createSmhClient(target)
      const token = await single.mint('admin')
      const made = await single.call('POST', `/space/${target.libraryId}`, { token })
      expect(refusal(made)).toEqual([400, 'NotMultiSpaceLibrary'])
      const other = await single.call('GET', `/directory/${target.libraryId}/team-a/`, { token })
      expect(refusal(other)).toEqual([404, 'SpaceNotFound'])
    } finally {
      await target.close()
    }
  })
})

describe('quota and usage', () => {
  const quota = (method: string, rest: string, body?: object) =>
    smh.call(method, rest, { token: admin, ...(body && { body }) })

  test('a quota covers several spaces together', async () => {
    await smh.upload(admin, 'a.bin', [filled(4)])
    expect(refusal(await quota('GET', `/quota/${library}/team-a`))).toEqual([404, 'NoQuota'])
    const made = await quota('POST', `/quota/${library}`, {
      spaces: ['team-a', 'team-b'],
      capacity: '10',
    })
    expect([made.status, made.body]).toEqual([201, { quotaId: 1 }])
    const again = await quota('POST', `/quota/${library}`, { spaces: ['team-a'], capacity: 9 })
    expect(refusal(again)).toEqual([409, 'DuplicateQuota'])
    for (const path of ['quota', 'space-quota']) {
      const { body } = await quota('GET', `/${path}/${library}/team-b`)
      expect(body).toEqual({ id: 1, capacity: '10' })
    }
    const byNumber = await quota('GET', `/quota/${library}/1`)
    expect(byNumber.body).toMatchObject({ capacity: '10', spaces: ['team-a', 'team-b'] })
    expect(refusal(await quota('GET', `/quota/${library}/2`))).toEqual([404, 'QuotaNotFound'])

    const usage = await quota('GET', `/usage/${library}/team-a,team-b`)
    expect(usage.body).toEqual([
      { spaceId: 'team-a', capacity: '10', availableSpace: '6', size: '4' },
      { spaceId: 'team-b', capacity: '10', availableSpace: '6', size: '0' },
    ])
    const total = await quota('GET', `/usage/${library}`)
    expect(total.body).toEqual({ totalFileSize: '4' })
  })

  test('usage is visible to admins and to the creator of the space', async () => {
    const maker = await smh.mint('create_space', { user_id: 'maker', space_id: '' })
    const { body } = await smh.call('POST', `/space/${library}`, { token: maker })
    const spaceId = String(body.spaceId)
    const own = await smh.mint('', { user_id: 'maker', space_id: spaceId })
    const usage = await smh.call('GET', `/usage/${library}/${spaceId}`, { token: own })
    expect(usage.body).toMatchObject([{ spaceId, capacity: null, availableSpace: null }])
    const other = await smh.mint('', { user_id: 'other', space_id: spaceId })
    const refused = await smh.call('GET', `/usage/${library}/${spaceId}`, { token: other })
    expect(refusal(refused)).toEqual([403, 'NoPermission'])
  })

  test('an invalid quota is rejected', async () => {
    await smh.upload(admin, 'a.bin', [filled(4)])
    const post = async (body: object) => refusal(await quota('POST', `/quota/${library}`, body))
    expect(await post({ spaces: [], capacity: 1 })).toEqual([400, 'QuotaSpacesInvalid'])
    expect(await post({ spaces: ['team-c'], capacity: 1 })).toEqual([400, 'QuotaSpacesInvalid'])
    expect(await post({ spaces: ['team-a'] })).toEqual([400, 'QuotaCapacityRequired'])
    expect(await post({ spaces: ['team-a'], capacity: 3 })).toEqual([
      400,
      'QuotaCapacityLessThanSize',
    ])
  })
})
