import { describe, expect, test } from 'vitest'
import { UploadError, type UploadErrorCode } from '../../src/client/errors.ts'
import { describeUpload, fileSize } from '../../src/client/messages.ts'
import type { UploadState } from '../../src/client/types.ts'
import { statusOf } from '../../src/gateway/errors.ts'
import { startHarness } from '../support/harness.ts'
import { uploadClient } from '../support/upload-client.ts'

const own: UploadErrorCode[] = [
  'aborted',
  'network',
  'blocked',
  'cos',
  'source_changed',
  'token',
  'bad_answer',
]
const gateways = Object.keys(statusOf) as UploadErrorCode[]

test.each([...own, ...gateways])(
  'describeUpload: the error %s has a message without technical terms',
  (code) => {
    const message = describeUpload(new UploadError(code, 'size: expected number to be >=1'))
    expect(message).toMatch(/^[A-Z].*\.$/)
    expect(message).not.toMatch(/expected|{|undefined|SMH|COS|gateway|CORS/)
  },
)

test.each(['constructor', 'toString', 'from_next_year'])(
  'describeUpload: the unknown code %s has a general message',
  (code) => {
    const error = new UploadError(code as UploadErrorCode, 'New.')
    expect(describeUpload(error)).toBe('The upload failed. Try again, or ask for help.')
  },
)

test('describeUpload: an unknown error has a message', () => {
  expect(describeUpload(new TypeError('x is not a function'))).toMatch(/^The upload failed/)
})

test.each<[UploadState['name'], Partial<UploadState>, string]>([
  ['preparing', {}, 'Preparing the upload.'],
  ['uploading', {}, 'Uploading.'],
  ['paused', {}, 'Paused.'],
  ['completing', {}, 'The file was sent. The server is checking it.'],
  ['aborted', {}, 'The upload was cancelled.'],
  ['stored', { file: { path: ['a', 'b.txt'] } as never }, 'Stored as a/b.txt.'],
  [
    'failed',
    { error: new UploadError('too_many_open_uploads', '') },
    'You have too many unfinished uploads. Resume or cancel some of them, then try again.',
  ],
  ['failed', { error: 'thrown' }, 'The upload failed. Try again, or ask for help.'],
  [
    'waiting',
    { reason: 'network' },
    'The connection was lost. The upload continues when it is restored.',
  ],
  ['waiting', { reason: 'credentials' }, 'Renewing the permission to upload.'],
  [
    'waiting',
    { reason: 'server_busy', retryAt: 0 },
    'The server is busy. The upload continues in 1 s.',
  ],
])('describeUpload: the state %s %j has a message', (name, details, expected) => {
  expect(describeUpload({ name, ...details } as UploadState)).toBe(expected)
})

test('describeUpload: a wait shows the remaining seconds', () => {
  const retryAt = Date.now() + 30_500
  const message = describeUpload({ name: 'waiting', reason: 'rate_limit', retryAt })
  expect(message).toMatch(/continues in (30|31) s\.$/)
})

test('describeUpload: messages of the app replace the English ones, with placeholders', () => {
  const error = new UploadError('file_too_large', 'A file may have at most 2097152 bytes.')
  const german = { file_too_large_limit: 'Höchstens {size}.', paused: 'Pause.' }
  expect(describeUpload(error, german)).toBe('Höchstens 2 MB.')
  expect(describeUpload({ name: 'paused' }, german)).toBe('Pause.')
  expect(describeUpload({ name: 'uploading' }, german)).toBe('Uploading.')
})

describe('describeUpload: a message for an error of the gateway', () => {
  test.each([
    [
      'a file over the limit',
      { UPLOAD_MAX_BYTES: '5' },
      'a.txt',
      'The file is too large: at most 5 bytes.',
    ],
    [
      'a type that is not allowed',
      { UPLOAD_ALLOWED_EXTENSIONS: 'jpg' },
      'a.txt',
      'Files of this type are not allowed here.',
    ],
    [
      'a name with a colon',
      {},
      'a:b.txt',
      'A name can have at most 255 characters and none of \\ / : * ? " < > |. Rename the file.',
    ],
  ])('%s', async (_what, environment, path, expected) => {
    const harness = await startHarness({ environment })
    const { done } = uploadClient(harness).upload(new Blob(['123456']), { path })
    expect(describeUpload(await done.catch((error) => error))).toBe(expected)
  })
})

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [1023, '1023 bytes'],
  [1024, '1 KB'],
  [1536, '1.5 KB'],
  [1024 ** 2 - 1, '1023.9 KB'],
  [50_000_000, '47.6 MB'],
  [5 * 1024 ** 3, '5 GB'],
  [5.99 * 1024 ** 3, '5.9 GB'],
  [48.8 * 1024 ** 4, '48.8 TB'],
])('fileSize: %d bytes are %s', (bytes, expected) => {
  expect(fileSize(bytes)).toBe(expected)
})
