import { describe, expect, test } from 'vitest'
import { type Harness, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const begin = (harness: Harness, metadata: unknown, headers: Record<string, string> = {}) =>
  harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 1, metadata }, headers })

describe('metadata in the body', () => {
  test('SMH receives it as headers, together with those of the request', async () => {
    const harness = await startHarness()
    const response = await begin(
      harness,
      { origin: 'camera', 'a.b_c-1': '%E7%85%A7 1', Empty: '' },
      { 'x-smh-meta-other': 'x' },
    )
    expect(response.status).toBe(201)
    expect(harness.smhCalls('begin-multipart').at(-1)?.headers).toMatchObject({
      'x-smh-meta-origin': 'camera',
      'x-smh-meta-a.b_c-1': '%E7%85%A7 1',
      'x-smh-meta-empty': '',
      'x-smh-meta-other': 'x',
    })
  })

  test('the stored file has it', async () => {
    const harness = await startHarness()
    const wanted = { metadata: { origin: 'camera' } }
    const file = await harness.upload('a.txt', [new Uint8Array(3)], { wanted })
    expect(file.metaData).toEqual({ 'x-smh-meta-origin': 'camera' })
  })

  test.each<[what: string, metadata: unknown, headers: Record<string, string>, field: string]>([
    ['a name in both places', { a: '1' }, { 'x-smh-meta-a': '1' }, 'metadata.a'],
    ['a name in both places, in capitals', { A: '1' }, { 'x-smh-meta-a': '1' }, 'metadata.a'],
    ['a name in two cases', { a: '1', A: '1' }, {}, 'metadata.a'],
    ['a name with a space', { 'a b': '1' }, {}, 'metadata.*'],
    ['a name with a Kelvin sign', { '\u212a': '1' }, {}, 'metadata.*'],
    ['an empty name', { '': '1' }, {}, 'metadata.*'],
    ['a name with a line break', { 'a\r\nx-cos-acl': '1' }, {}, 'metadata.*'],
    ['a value that is not ASCII', { a: '照片' }, {}, 'metadata.a'],
    ['a value with a line break', { a: '1\r\nx: y' }, {}, 'metadata.a'],
    ['a value that ends with a space', { a: '1 ' }, {}, 'metadata'],
    ['a number', { a: 1 }, {}, 'metadata.a'],
    ['a list', ['a'], {}, 'metadata'],
    ['null', null, {}, 'metadata'],
  ])('%s returns 400', async (_, metadata, headers, field) => {
    const harness = await startHarness()
    const response = await begin(harness, metadata, headers)
    const { errors } = await expectProblem(response, 400, 'invalid_request')
    expect(errors).toEqual([{ field, message: expect.any(String) }])
    expect(harness.smhCalls()).toEqual([])
  })

  test('the limits of 20 entries and 2 KiB apply to both places together', async () => {
    const harness = await startHarness()
    const named = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`b${index}`, 'v']))
    const headers = { 'x-smh-meta-h1': 'v', 'x-smh-meta-h2': 'v' }
    expect((await begin(harness, named(18), headers)).status).toBe(201)
    await expectProblem(await begin(harness, named(19), headers), 431, 'metadata_too_large')
    const long = 'v'.repeat(2048 - 'x-smh-meta-a'.length)
    expect((await begin(harness, { a: long })).status).toBe(201)
    await expectProblem(await begin(harness, { a: `${long}v` }), 431, 'metadata_too_large')
    const rest = { 'x-smh-meta-h': 'v' }
    await expectProblem(await begin(harness, { a: long }, rest), 431, 'metadata_too_large')
  })

  test('UPLOAD_META_KEYS applies', async () => {
    const harness = await startHarness({ environment: { UPLOAD_META_KEYS: 'origin' } })
    expect((await begin(harness, { origin: 'x' })).status).toBe(201)
    await expectProblem(await begin(harness, { other: 'x' }), 403, 'not_permitted')
  })

  test('instant upload takes it too', async () => {
    const harness = await startHarness()
    const body = {
      path: 'a',
      size: 1,
      beginningHash: 'a'.repeat(64),
      metadata: { origin: 'camera' },
    }
    await harness.request('POST', '/v1/instant-uploads', { body })
    const call = harness.smhCalls('begin-multipart').at(-1)
    expect(call?.headers['x-smh-meta-origin']).toBe('camera')
  })
})
