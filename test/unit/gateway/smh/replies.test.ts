import { describe, expect, test } from 'vitest'
import { fileReply, statusReply, taskReply } from '../../../../src/gateway/smh/replies.ts'

const file = {
  path: ['a.txt'],
  name: 'a.txt',
  type: 'file',
  creationTime: '2026-03-09T11:31:00.000Z',
  modificationTime: '2026-03-09T11:31:00.000Z',
  contentType: 'text/plain',
  size: 5,
  eTag: '"x"',
  crc64: '1',
}

test.each<[field: string, value: unknown]>([
  ['metaData', null],
  ['metaData', { 'x-smh-meta-a': 1 }],
  ['isOverwritten', null],
  ['previewByDoc', 0],
  ['previewByCI', 'true'],
  ['previewAsIcon', null],
  ['fileType', null],
])('SMH reply: an invalid optional field of a stored file is ignored: %s %j', (field, value) => {
  // Left out of the JSON that is made of it, as undefined is.
  expect(JSON.parse(JSON.stringify(fileReply.parse({ ...file, [field]: value })))).toEqual(file)
})

const task = {
  domain: 'cos.example',
  path: '/x',
  uploadId: 'u',
  headers: {},
  expiration: '2026-03-09T13:22:33.000Z',
}

test.each([['k'], ['a/b'], ['.a'], ['k'.repeat(256)]])(
  'SMH reply: the confirm key %s is accepted',
  (confirmKey) => {
    expect(taskReply.parse({ ...task, confirmKey }).confirmKey).toBe(confirmKey)
  },
)

test.each([[''], ['.'], ['...'], ['a b'], ['k'.repeat(257)], ['\u7167'.repeat(100)]])(
  'SMH reply: the confirm key %s is rejected, because no later call could use it',
  (confirmKey) => {
    expect(taskReply.safeParse({ ...task, confirmKey }).success).toBe(false)
  },
)

test('SMH reply: headers that HTTP clients set are removed from the credentials', () => {
  const headers = { Host: 'x', 'content-length': 5, Authorization: 'q', 'x-cos-traffic-limit': 8 }
  expect(taskReply.parse({ ...task, confirmKey: 'k', headers }).headers).toEqual({
    Authorization: 'q',
    'x-cos-traffic-limit': '8',
  })
})

test.each([[null], [['a.txt']], [['a..b', '.c', '...', ' d']]])(
  'SMH reply: the path %j is accepted',
  (path) => {
    expect(statusReply.parse({ confirmed: true, path }).path).toEqual(path)
  },
)

test.each([[['..', 'a']], [['a', '.']], [['']], [['a/../..']], [['a\ud800']], ['a/b']])(
  'SMH reply: the path %j is rejected, because its URL would be invalid or name another file',
  (path) => {
    expect(statusReply.safeParse({ confirmed: true, path }).success).toBe(false)
  },
)

const good = { ...task, confirmKey: 'k' }

test.each<[field: string, value: unknown]>([
  ['domain', 'media-1299999999.cos.ap-shanghai.myqcloud.com'],
  ['domain', '127.0.0.1:65535'],
  ['domain', '[::1]:8080'],
  ['path', '/smh0/5f0c/clip.mp4'],
  ['path', 'smh0/5f0c/照片..jpg'],
  ['path', '/a%20b/...'],
  ['uploadId', 'u'.repeat(512)],
  ['headers', { 'x-cos-security-token': 't'.repeat(16_000) }],
  ['headers', Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`h${index}`, 'v']))],
  ['expiration', '1970-01-01T00:00:00Z'],
  ['expiration', '9999-12-31T23:59:59.999Z'],
])('SMH reply: a task with the %s %j is accepted', (field, value) => {
  expect(taskReply.safeParse({ ...good, [field]: value }).success).toBe(true)
})

test.each<[field: string, value: unknown]>([
  ['domain', '..'],
  ['domain', '.'],
  ['domain', 'a..b'],
  ['domain', 'cos.example.'],
  ['domain', 'cos.example/x'],
  ['domain', 'user@cos.example'],
  ['domain', 'cos.example:65536'],
  ['domain', 'a'.repeat(64)],
  ['domain', Array(128).fill('ab').join('.')],
  ['path', '/a?b'],
  ['path', '/a#b'],
  ['path', '/a\r\nX: y'],
  ['path', '/a b'],
  ['path', '/a\\b'],
  ['path', '/a/../b'],
  ['path', '/a/%2E./b'],
  ['path', '/a/.'],
  ['path', '/\ud800'],
  ['path', `/${'a'.repeat(2048)}`],
  ['uploadId', ''],
  ['uploadId', 'u'.repeat(513)],
  ['uploadId', 'a b'],
  ['uploadId', 'a\nb'],
  ['uploadId', '上传'],
  ['headers', { 'a b': 'c' }],
  ['headers', { a: 'b\r\nc: d' }],
  ['headers', { a: 'v'.repeat(16 * 1024) }],
  ['headers', Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`h${index}`, 'v']))],
  ['expiration', '1969-12-31T23:59:59Z'],
  ['expiration', '9999-12-31T23:59:59-01:00'],
  ['expiration', '+010000-01-01T00:00:00Z'],
])('SMH reply: a task with the %s %j is rejected', (field, value) => {
  expect(taskReply.safeParse({ ...good, [field]: value }).success).toBe(false)
})

test.each<[field: string, value: unknown]>([
  ['path', Array(129).fill('a')],
  ['path', ['a'.repeat(1025)]],
  ['name', 'n'.repeat(1025)],
  ['contentType', 't'.repeat(257)],
  ['creationTime', '9'.repeat(65)],
  ['eTag', 'e'.repeat(257)],
  ['crc64', '9'.repeat(21)],
  ['crc64', '0x1'],
])('SMH reply: a stored file with an invalid or too long %s is rejected', (field, value) => {
  expect(fileReply.safeParse({ ...file, [field]: value }).success).toBe(false)
})

test('SMH reply: a stored file with too much metadata is accepted without the metadata', () => {
  const metaData = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`m${index}`, 'v']))
  expect(fileReply.parse({ ...file, metaData }).metaData).toBeUndefined()
})

const partOf = (number: number) => ({
  PartNumber: number,
  LastModified: '2026-03-09T11:23:01.000Z',
  ETag: '"x"',
  Size: 5,
})
const statusWith = (parts: unknown) =>
  statusReply.safeParse({ confirmed: false, path: null, parts })

test('SMH reply: a status with more than 10,000 parts is rejected', () => {
  const parts = Array.from({ length: 10_000 }, (_, index) => partOf(index + 1))
  expect(statusWith(parts).data?.parts).toHaveLength(10_000)
  expect(statusWith([...parts, partOf(1)]).success).toBe(false)
})

test('SMH reply: a status with many invalid parts reports one issue', () => {
  const { success, error } = statusWith(Array(10_000).fill({}))
  expect(success).toBe(false)
  expect(error?.issues).toHaveLength(1)
})

test.each([{ ETag: 'e'.repeat(257) }, { LastModified: '9'.repeat(65) }, { Size: -1 }])(
  'SMH reply: a part with %j is rejected',
  (change) => {
    expect(statusWith([{ ...partOf(1), ...change }]).success).toBe(false)
  },
)

describe('SMH reply: parts of a status', () => {
  const part = { PartNumber: 1, LastModified: 'now', ETag: '"e"', Size: '7' }
  const status = (parts: unknown) =>
    statusReply.safeParse({ confirmed: false, path: ['a'], parts }).data?.parts

  test('a size is accepted as digits and as a number', () => {
    const read = { partNumber: 1, size: 7, eTag: '"e"', lastModified: 'now' }
    expect(status([part, { ...part, Size: 7, Owner: 'x' }])).toEqual([read, read])
    expect(status([])).toEqual([])
    expect(statusReply.parse({ confirmed: true, path: null })).toEqual({
      confirmed: true,
      path: null,
    })
  })

  test.each<[string, unknown]>([
    ['no list', {}],
    ['null', null],
    ['a part that is null', [null]],
    ['a part that is text', ['x']],
    ...[0, 10_001, 1.5, '1', undefined].map((number): [string, unknown] => [
      `the part number ${JSON.stringify(number)}`,
      [{ ...part, PartNumber: number }],
    ]),
    ...[-1, 1.5, 2 ** 53, '', '-1', '1e3', '1'.repeat(16), null].map((size): [string, unknown] => [
      `the size ${JSON.stringify(size)}`,
      [part, { ...part, Size: size }],
    ]),
    ['an ETag that is no text', [{ ...part, ETag: 1 }]],
    ['a date that is no text', [{ ...part, LastModified: 1 }]],
  ])('are rejected with %s', (_, parts) => {
    expect(statusReply.safeParse({ confirmed: false, path: ['a'], parts }).success).toBe(false)
  })
})
