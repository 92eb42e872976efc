import { describe, expect, test } from 'vitest'
import { startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

const operations = ['renew', 'complete'] as const

describe.each(operations)('optional body of %s', (operation) => {
  test.each<[how: string, options: { headers?: Record<string, string>; body?: string }]>([
    ['absent', {}],
    ['absent with a JSON content type', { headers: { 'content-type': 'application/json' } }],
    ['empty', { body: '' }],
    ['blank', { body: ' \n' }],
    ['an empty object', { body: '{}' }],
  ])('may be %s', async (_, options) => {
    const harness = await startHarness()
    const { confirmKey } = await harness.uploadParts('a.txt', [new Uint8Array(3)])
    const path = `/v1/uploads/${confirmKey}/${operation}`
    const response = await harness.request('POST', path, options)
    expect(response.status).toBe(200)
    const route = operation === 'renew' ? 'renew' : 'confirm'
    expect(harness.smhCalls(route)).toMatchObject([{ bodyBytes: 0, status: 200 }])
  })

  test.each<[field: string, body: string]>([
    ['more', '{"more":1}'],
    ['body', 'null'],
    ['body', '[]'],
    ['body', '"x"'],
  ])('is refused for the field %s in %s', async (field, body) => {
    const harness = await startHarness()
    const { confirmKey } = await harness.uploadParts('a.txt', [new Uint8Array(3)])
    harness.emulator.controls.clearCalls()
    const path = `/v1/uploads/${confirmKey}/${operation}`
    const response = await harness.request('POST', path, { body })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(problem.errors).toEqual([{ field, message: expect.any(String) }])
    expect(harness.smhCalls()).toEqual([])
  })

  test.each<[status: number, code: string, headers: Record<string, string>, body: string]>([
    [400, 'invalid_request', {}, '{"more":'],
    [415, 'unsupported_media_type', { 'content-type': 'text/plain' }, '{}'],
    [415, 'unsupported_media_type', { 'content-encoding': 'gzip' }, '{}'],
    [413, 'request_too_large', {}, `{}${' '.repeat(64 * 1024)}`],
  ])('%d %s', async (status, code, headers, body) => {
    const harness = await startHarness()
    const { confirmKey } = await harness.uploadParts('a.txt', [new Uint8Array(3)])
    harness.emulator.controls.clearCalls()
    const path = `/v1/uploads/${confirmKey}/${operation}`
    const response = await harness.request('POST', path, { headers, body })
    await expectProblem(response, status, code as never)
    expect(harness.smhCalls()).toEqual([])
  })

  test('optional body: bytes without a content type return 415', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.uploadParts('a.txt', [new Uint8Array(3)])
    const path = `/v1/uploads/${confirmKey}/${operation}`
    const body = new Blob([new TextEncoder().encode('{"crc64":"1"}')])
    const response = await fetch(harness.gateway.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${await harness.issuer.token({ sub: 'ann' })}` },
      body,
    })
    await expectProblem(response, 415, 'unsupported_media_type')
    expect(harness.emulator.controls.files()).toEqual([])
  })
})

test.each<[operation: string, field: string, body: unknown]>([
  ['renew', 'trafficLimit', { trafficLimit: 102_399 }],
  ['renew', 'trafficLimit', { trafficLimit: '102400' }],
  ['complete', 'crc64', { crc64: 5 }],
  ['complete', 'crc64', { crc64: '' }],
  ['complete', 'crc64', { crc64: 'abc' }],
  ['complete', 'crc64', { crc64: '0x1' }],
  ['complete', 'crc64', { crc64: '-1' }],
  ['complete', 'crc64', { crc64: '01' }],
  ['complete', 'crc64', { crc64: '18446744073709551616' }],
  ['complete', 'labels', { labels: Array(21).fill('a') }],
  ['complete', 'category', { category: '海海海海海海' }],
  ['complete', 'labels.0', { labels: ['\ud800'] }],
  ['complete', 'category', { category: 'a\u0000' }],
  ['complete', 'localCreationTime', { localCreationTime: 'now' }],
  ['complete', 'size', { size: 3 }],
])('%s rejects an invalid %s in %j', async (operation, field, body) => {
  const harness = await startHarness()
  const { confirmKey } = await harness.uploadParts('a.txt', [new Uint8Array(3)])
  harness.emulator.controls.clearCalls()
  const response = await harness.request('POST', `/v1/uploads/${confirmKey}/${operation}`, { body })
  const problem = await expectProblem(response, 400, 'invalid_request')
  expect(problem.errors).toEqual([{ field, message: expect.any(String) }])
  expect(harness.smhCalls()).toEqual([])
})
