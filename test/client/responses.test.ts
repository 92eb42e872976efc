import { describe, expect, test } from 'vitest'
import { UploadError } from '../../src/client/errors.ts'
import { type Harness, MiB, someBytes, startHarness } from '../support/harness.ts'
import { pausedUpload, uploadClient } from '../support/upload-client.ts'

const credentials = {
  domain: '127.0.0.1:1',
  path: '/a',
  uploadId: 'u',
  headers: { authorization: 'a' },
  confirmKey: 'k',
}
const stored = { path: ['a'], name: 'a', size: 1, crc64: '1' }
const status = { confirmed: false, path: ['a'], size: 1, method: 'multipart', parts: [] }

const text = (body: string) => () => new Response(body, { status: 200 })
const json = (body: unknown) => text(JSON.stringify(body))

/** A body that never ends. */
const endless = () =>
  new Response(
    new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(' '.repeat(65_536))),
    }),
  )

const anywhere: [string, () => Response][] = [
  ['a page', text('<html>')],
  ['nothing', text('')],
  ['null', json(null)],
  ['a list', json([])],
  ['a number', json(7)],
  ['an empty object', json({})],
  ['a body without an end', endless],
]

const without = (fields: object, name: string) =>
  Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name))

const cases: [operation: string, what: RegExp, strange: [string, () => Response][]][] = [
  [
    'begin',
    /uploads$/,
    [
      ...Object.keys(without(credentials, 'uploadId')).map((name): [string, () => Response] => [
        `no ${name}`,
        json(without(credentials, name)),
      ]),
      ['a domain with a path', json({ ...credentials, domain: 'a/b' })],
      ['a domain with a user', json({ ...credentials, domain: 'a@b' })],
      ['a path without a slash', json({ ...credentials, path: 'a' })],
      ['headers that are numbers', json({ ...credentials, headers: { authorization: 1 } })],
      ['headers with line ends', json({ ...credentials, headers: { authorization: 'a\r\nb: c' } })],
      ['headers that are null', json({ ...credentials, headers: null })],
      ['headers that are a text', json({ ...credentials, headers: 'a' })],
    ],
  ],
  [
    'complete',
    /complete$/,
    [
      ...Object.keys(stored).map((name): [string, () => Response] => [
        `no ${name}`,
        json(without(stored, name)),
      ]),
      ['a path that is a text', json({ ...stored, path: 'a' })],
      ['a size that is a string', json({ ...stored, size: '1' })],
    ],
  ],
]

/** A fetch that replaces the gateway's response to calls of this kind. */
function strange(what: RegExp, answer: () => Response): typeof fetch {
  return async (target, init) => (what.test(String(target)) ? answer() : fetch(target, init))
}

async function failureOf(done: Promise<unknown>): Promise<UploadError> {
  const error = await done.then(
    () => 'stored',
    (error) => error,
  )
  expect(error).toBeInstanceOf(UploadError)
  return error
}

describe.each(cases)(
  'an invalid response to %s fails with bad_answer:',
  (_operation, what, own) => {
    test.each([...anywhere, ...own])('%s', async (_how, answer) => {
      const harness = await startHarness()
      const client = uploadClient(harness, { fetch: strange(what, answer) })
      const error = await failureOf(client.upload(new Blob(['x']), { path: 'a' }).done)
      expect(error).toMatchObject({ code: 'bad_answer', status: 200 })
    })
  },
)

describe('an invalid response to an instant upload fails with bad_answer:', () => {
  test.each([
    ...anywhere,
    ['an unknown outcome', json({ outcome: 'later' })],
    ['stored without a file', json({ outcome: 'stored' })],
    ['stored with a broken file', json({ outcome: 'stored', file: { path: 'a' } })],
    ['credentials that are null', json({ outcome: 'upload_required', credentials: null })],
  ] as [string, () => Response][])('%s', async (_how, answer) => {
    const harness = await startHarness()
    const client = uploadClient(harness, { fetch: strange(/instant-uploads$/, answer) })
    const error = await failureOf(client.upload(new Blob([someBytes(MiB)]), { path: 'a' }).done)
    expect(error.code).toBe('bad_answer')
  })
})

const part = { partNumber: 1, size: 1, eTag: '', lastModified: '' }

describe('an invalid status of a resumed upload fails with bad_answer:', () => {
  test.each([
    ...anywhere,
    ['a size that is a string', json({ ...status, size: '1' })],
    ['a path that is a text', json({ ...status, path: 'a' })],
    ['parts that are a text', json({ ...status, parts: 'many' })],
    ['parts that are null', json({ ...status, parts: [null] })],
    ['a part number that is a text', json({ ...status, parts: [{ ...part, partNumber: '1' }] })],
    ['a negative size of a part', json({ ...status, parts: [{ ...part, size: -1 }] })],
    ['more parts than there are', json({ ...status, parts: Array(10_001).fill(part) })],
  ] as [string, () => Response][])('%s', async (_how, answer) => {
    const { harness, confirmKey } = await begun()
    const { resume } = uploadClient(harness, { fetch: strange(/uploads\/[^/]+$/, answer) })
    const error = await failureOf(resume(confirmKey, new Blob(['x'])).done)
    expect(error.code).toBe('bad_answer')
  })
})

test.each([
  ['errors that are a text', { errors: 'many' }],
  ['errors that are null', { errors: [null] }],
  ['missing parts that are texts', { missingParts: ['1'] }],
  ['a detail that is a number', { detail: 7 }],
])('an error response with %s fails with bad_answer', async (_how, fields) => {
  const body = { status: 422, code: 'upload_incomplete', requestId: 'r1', ...fields }
  const refusal = () => new Response(JSON.stringify(body), { status: 422 })
  const harness = await startHarness()
  const client = uploadClient(harness, { fetch: strange(/complete$/, refusal) })
  const error = await failureOf(client.upload(new Blob(['x']), { path: 'a' }).done)
  expect(error).toMatchObject({ code: 'bad_answer', status: 422 })
})

test('an endless response of COS is read only to the limit', async () => {
  const harness = await startHarness()
  const refusal = () => new Response(endless().body, { status: 403 })
  const client = uploadClient(harness, { fetch: strange(/^(?!.*\/v1\/)/, refusal) })
  const error = await failureOf(client.upload(new Blob(['x']), { path: 'a' }).done)
  expect(error).toMatchObject({ code: 'cos', status: 403 })
})

test.each([['line\nend'], [''], [undefined]])(
  'getToken: the value %j fails with token',
  async (token) => {
    const harness = await startHarness()
    const client = uploadClient(harness, { getToken: () => token as string })
    const error = await failureOf(client.upload(new Blob(['x']), { path: 'a' }).done)
    expect(error.code).toBe('token')
  },
)

async function begun(): Promise<{ harness: Harness; confirmKey: string }> {
  const harness = await startHarness()
  const upload = await pausedUpload(uploadClient(harness), new Blob(['x']), { path: 'a' })
  return { harness, confirmKey: upload.confirmKey ?? '' }
}
