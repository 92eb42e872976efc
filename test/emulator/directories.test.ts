import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Emulator } from '../../src/emulator/start.ts'
import { type Answer, createSmhClient, filled, type SmhClient } from '../support/smh-client.ts'
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
  token = await smh.mint('space_admin', { user_id: 'u-1' })
})

afterAll(() => emulator.close())

const names = ({ body }: Answer) => (body.contents as { name: string }[]).map(({ name }) => name)
const list = (query: Record<string, string>) => smh.directory('GET', '', { token, query })
const refusal = ({ status, body }: Answer) => [status, body.code]

async function fill() {
  for (const name of ['a', 'b']) await smh.directory('PUT', name, { token })
  for (const [name, size] of Object.entries({ 'x.txt': 3, 'y.jpg': 2, 'z.mp4': 1 })) {
    await smh.upload(token, name, [filled(size)])
  }
}

test('list by marker, page by page', async () => {
  await fill()
  const first = await list({ 'by-marker': '1', limit: '3' })
  expect(names(first)).toEqual(['a', 'b', 'x.txt'])
  const marker = String(first.body.nextMarker)
  const rest = await list({ 'by-marker': '1', limit: '3', marker })
  expect(names(rest)).toEqual(['y.jpg', 'z.mp4'])
  expect(rest.body).not.toHaveProperty('nextMarker')
  expect(rest.body.contents).toMatchObject([{ type: 'image', size: '2' }, { type: 'video' }])
  expect(refusal(await list({ marker: 'x' }))).toEqual([404, 'MarkerNotFound'])
  expect(refusal(await list({ limit: '1001' }))).toEqual([400, 'ParamInvalid'])
})

test('list by page, with a filter and another order', async () => {
  await fill()
  const page = await list({ 'by-page': '1', page: '2', page_size: '2' })
  expect(names(page)).toEqual(['x.txt', 'y.jpg'])
  expect(page.body).toMatchObject({ totalNum: 5, fileCount: 3, subDirCount: 2 })
  expect(names(await list({ filter: 'onlyDir' }))).toEqual(['a', 'b'])
  const bySize = { filter: 'onlyFile', order_by: 'size', order_by_type: 'desc' }
  expect(names(await list(bySize))).toEqual(['x.txt', 'y.jpg', 'z.mp4'])
  expect(names(await list({ prefix: 'y' }))).toEqual(['y.jpg'])
})

test('info returns all details of files and directories', async () => {
  const metaData = { colour: 'red' }
  const query = { with_inode: '1' }
  const body = { metaData, labels: ['l'] }
  const made = await smh.directory('PUT', 'd', { token, query, body })
  expect(made.body).toMatchObject({ path: ['d'], metaData, labels: ['l'] })
  const info = await smh.directory('GET', 'd', { token, query: { info: '', ...query } })
  expect(info.body).toMatchObject({
    path: ['d'],
    name: 'd',
    type: 'dir',
    userId: 'u-1',
    inode: made.body.inode,
    metaData,
  })
  const missing = await smh.directory('GET', 'no', { token, query: { info: '' } })
  expect(missing.status).toBe(404)
  await smh.upload(token, 'd/f.txt', [filled(3)])
  expect((await smh.directory('HEAD', 'd/f.txt', { token })).status).toBe(404)
  expect((await smh.file('HEAD', 'd', { token })).status).toBe(404)
})

test('confirm rejects a deleted directory', async () => {
  await smh.directory('PUT', 'd', { token })
  await smh.upload(token, 'd/old.txt', [filled(3)])
  const task = await smh.beginTask(token, 'd/new.txt')
  await smh.putPart(task, 1, filled(1))
  expect((await smh.directory('DELETE', 'd', { token })).status).toBe(204)
  expect(emulator.controls.files()).toEqual([])
  expect((await smh.status(token, task.confirmKey)).body.path).toBeNull()
  const confirm = () => smh.confirm(token, task.confirmKey)
  expect(refusal(await confirm())).toEqual([404, 'DirectoryNotFound'])
  await smh.directory('PUT', 'd', { token })
  expect((await confirm()).status).toBe(200)
})

test('the root can be neither created nor deleted', async () => {
  for (const method of ['PUT', 'DELETE']) {
    const answer = await smh.directory(method, '', { token })
    expect(refusal(answer)).toEqual([400, 'RootDirectoryNotAllowed'])
  }
})

test.each([
  ['', 400, 'EmptyPath'],
  ['d/', 400, 'EmptyFileName'],
  ['d//f', 400, 'InvalidSpaceOrDirectoryPath'],
  ['a\u0007', 400, 'IllegalFileName'],
])('begin rejects %j', async (path, status, code) => {
  expect(refusal(await smh.begin(token, path))).toEqual([status, code])
})

test('dot segments are rejected', async () => {
  const path = `/file/${emulator.libraryId}/-/d%2F..%2F..%2Fa.bin`
  const answer = await smh.call('POST', path, { token, query: { multipart: '' } })
  expect(refusal(answer)).toEqual([400, 'IllegalFileName'])
})

test.each<[string, Parameters<SmhClient['begin']>[2], string]>([
  ['a body that is no JSON', { body: '{' }, 'BadRequest'],
  ['a list', { body: [] }, 'ParamInvalid'],
  ['another content type', { body: {}, headers: { 'Content-Type': 'text/plain' } }, 'ParamInvalid'],
  ['a size that is a number', { body: { size: 5 } }, 'ParamInvalid'],
  ['a short hash', { body: { beginningHash: 'abc', size: '5' } }, 'ParamInvalid'],
  ['labels that are none', { body: { labels: [1] } }, 'ParamInvalid'],
  ['17 bytes of category', { body: { category: '五个字加一又x' } }, 'ParamInvalid'],
  ['a time without zone', { body: { localCreationTime: '2025-03-09' } }, 'InvalidTimeFormat'],
  ['a negative file size', { query: { filesize: '-1' } }, 'ParamInvalid'],
  ['a low traffic limit', { query: { traffic_limit: '102399' } }, 'ParamInvalid'],
  [
    'a strategy of its own',
    { query: { conflict_resolution_strategy: 'x' } },
    'InvalidConflictResolutionStrategy',
  ],
])('begin rejects %s', async (_, options, code) => {
  expect(refusal(await smh.begin(token, 'a.bin', options))).toEqual([400, code])
  expect(emulator.controls.openTasks()).toEqual([])
})

test('overwrite: a content CAS protects the existing file', async () => {
  const first = await smh.upload(token, 'f.txt', [filled(1)])
  expect(first.body).not.toHaveProperty('contentCas')
  const info = await smh.file('GET', 'f.txt', { token, query: { info: '', with_content_cas: '1' } })
  const overwrite = (content_cas: string) =>
    smh.upload(token, 'f.txt', [filled(2)], {
      query: { conflict_resolution_strategy: 'overwrite', content_cas },
    })
  expect(refusal(await overwrite('stale'))).toEqual([409, 'ContentCasConflict'])
  const replaced = await overwrite(String(info.body.contentCas))
  expect(replaced.body).toMatchObject({ isOverwritten: true, size: '2' })
})

describe('an operation that the emulator lacks is rejected without effect', () => {
  test.each<[string, 'file' | 'directory', string, Record<string, string>, unknown?]>([
    ['move a file', 'file', 'PUT', {}, { from: 'a.txt' }],
    ['copy a file', 'file', 'PUT', {}, { copyFrom: 'a.txt' }],
    ['link', 'file', 'PUT', {}, { linkTo: 'a.txt' }],
    ['move a directory', 'directory', 'PUT', {}, { from: 'd' }],
    ['copy a directory', 'directory', 'PUT', {}, { copyFrom: 'd' }],
    ['preview', 'file', 'GET', { preview: '' }],
    ['preview a zip file', 'file', 'GET', { 'zip-preview': '1' }],
    ['uncompress', 'file', 'POST', { uncompress: '1' }],
    ['convert', 'file', 'PUT', { convert: '' }],
    ['make a virtual file', 'file', 'PUT', { virtual_file: '1' }],
    ['correct statistics', 'directory', 'PUT', { calibrate: '1' }],
    ['change labels', 'directory', 'POST', { update: '1' }],
  ])('%s', async (_, kind, method, query, body) => {
    await smh.upload(token, 'a.txt', [filled(1)])
    await smh.directory('PUT', 'd', { token })
    const path = kind === 'file' ? 'a.txt' : 'd'
    const answer = await smh[kind](method, path, { token, query, body })
    expect(refusal(answer)).toEqual([501, 'FunctionNotEnabled'])
    expect(emulator.controls.openTasks()).toEqual([])
    expect(emulator.controls.files()).toHaveLength(1)
    expect(emulator.controls.directories()).toEqual([['d']])
  })
})

test('an operation that the emulator lacks is 404 for a missing file', async () => {
  const query = { preview: '' }
  const answer = await smh.file('GET', 'missing.txt', { token, query })
  expect(refusal(answer)).toEqual([404, 'FileNotFound'])
})

describe('a flag that a call cannot have is rejected without effect', () => {
  test.each<['file' | 'directory', string, Record<string, string>]>([
    ['file', 'POST', { nonsense: '' }],
    ['file', 'PUT', { nonsense: '' }],
    ['file', 'GET', { nonsense: '' }],
    ['file', 'DELETE', { nonsense: '' }],
    ['file', 'POST', { multipart: '', nonsense: '' }],
    ['file', 'POST', { upload: '' }],
    ['file', 'PUT', { multipart: '1' }],
    ['file', 'PUT', { uncompress: '1' }],
    ['file', 'DELETE', { confirm: '' }],
    ['directory', 'PUT', { nonsense: '' }],
    ['directory', 'PUT', { info: '' }],
    ['directory', 'DELETE', { upload: '1' }],
  ])('%s %s %j', async (kind, method, query) => {
    await smh.upload(token, 'a.txt', [filled(1)])
    await smh.directory('PUT', 'd', { token })
    const path = kind === 'file' ? 'a.txt' : 'd'
    expect(refusal(await smh[kind](method, path, { token, query }))).toEqual([400, 'ParamInvalid'])
    expect(emulator.controls.openTasks()).toEqual([])
    expect(emulator.controls.files()).toHaveLength(1)
    expect(emulator.controls.directories()).toEqual([['d']])
  })

  test('unknown parameters with a value are ignored', async () => {
    const query = { multipart: '', nonsense: 'x' }
    expect((await smh.file('POST', 'a.txt', { token, query })).status).toBe(201)
  })
})
