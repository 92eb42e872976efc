import { expect, test } from 'vitest'
import { fileReply, statusReply, taskReply } from '../../src/smh/replies.ts'

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
])('a stored file is one, whatever its %s is: %j', (field, value) => {
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

test.each([['k'], ['a/b'], ['.a'], ['k'.repeat(256)]])('%s may be a confirm key', (confirmKey) => {
  expect(taskReply.parse({ ...task, confirmKey }).confirmKey).toBe(confirmKey)
})

test.each([[''], ['.'], ['...'], ['a b'], ['k'.repeat(257)], ['\u7167'.repeat(100)]])(
  '%s cannot be one: no later call could bring it back',
  (confirmKey) => {
    expect(taskReply.safeParse({ ...task, confirmKey }).success).toBe(false)
  },
)

test('headers that the HTTP stack of a client sets itself are left out', () => {
  const headers = { Host: 'x', 'content-length': 5, Authorization: 'q', 'x-cos-traffic-limit': 8 }
  expect(taskReply.parse({ ...task, confirmKey: 'k', headers }).headers).toEqual({
    Authorization: 'q',
    'x-cos-traffic-limit': '8',
  })
})

test.each([[null], [['a.txt']], [['a..b', '.c', '...', ' d']]])('%j may be a path', (path) => {
  expect(statusReply.parse({ confirmed: true, path }).path).toEqual(path)
})

test.each([[['..', 'a']], [['a', '.']], [['']], [['a/../..']], [['a\ud800']], ['a/b']])(
  '%j cannot be one: asked for by it, SMH would look elsewhere or could not be asked',
  (path) => {
    expect(statusReply.safeParse({ confirmed: true, path }).success).toBe(false)
  },
)
