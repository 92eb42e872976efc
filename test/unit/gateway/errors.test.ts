import { describe, expect, test } from 'vitest'
import {
  errorFields,
  GatewayError,
  invalidField,
  logLevelFor,
  problemSchema,
  statusOf,
  toProblem,
  uploadNotFound,
} from '../../../src/gateway/errors.ts'

/** The table of codes once more: a code that changes its status breaks clients. */
const contract = {
  400: ['invalid_request'],
  401: ['missing_token', 'invalid_token'],
  403: ['insufficient_scope', 'not_permitted'],
  404: ['upload_not_found', 'parent_not_found', 'not_found'],
  405: ['method_not_allowed'],
  409: ['name_conflict', 'upload_complete', 'not_renewable', 'request_in_progress'],
  413: ['request_too_large', 'file_too_large'],
  415: ['unsupported_media_type'],
  422: ['upload_incomplete', 'size_mismatch', 'checksum_mismatch', 'idempotency_key_reused'],
  429: ['rate_limited', 'too_many_open_uploads'],
  431: ['metadata_too_large'],
  451: ['content_refused'],
  500: ['internal_error'],
  502: ['upstream_error'],
  503: ['overloaded', 'upstream_unavailable'],
  504: ['upstream_timeout'],
  507: ['quota_exceeded'],
}
const titles = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
}

test('error codes: each has its status, and there are no other codes', () => {
  const expected = Object.entries(contract).flatMap(([status, codes]) =>
    codes.map((code) => [code, Number(status)]),
  )
  expect(statusOf).toEqual(Object.fromEntries(expected))
})

describe('problem response', () => {
  test.each(
    Object.entries(contract).flatMap(([status, codes]) =>
      codes.map((code) => [code, status] as const),
    ),
  )('%s has only its public fields', (code, status) => {
    const problem = toProblem(new GatewayError(code as keyof typeof statusOf, 'Why.'), 'r-1')
    expect(problem).toEqual({
      type: `urn:smh-upload-gateway:problem:${code}`,
      title: titles[Number(status) as keyof typeof titles],
      status: Number(status),
      detail: 'Why.',
      code,
      requestId: 'r-1',
    })
    expect(problemSchema.safeParse(problem).success).toBe(true)
  })

  test('names the faulty fields and the missing parts', () => {
    expect(toProblem(invalidField('path', 'has a dot segment'), 'r')).toMatchObject({
      code: 'invalid_request',
      detail: 'The request is invalid.',
      errors: [{ field: 'path', message: 'has a dot segment' }],
    })
    const incomplete = new GatewayError('upload_incomplete', 'x', { missingParts: [2, 4] })
    expect(toProblem(incomplete, 'r').missingParts).toEqual([2, 4])
  })

  test('does not contain the details for the log', () => {
    const error = new GatewayError('upstream_error', 'Public.', {
      reason: 'misconfigured',
      log: { smhCode: 'NoPermission', smhStatus: 403, smhRequestId: 'abc' },
      severity: 'error',
      headers: { 'Retry-After': '7' },
    })
    expect(Object.keys(toProblem(error, 'r'))).toEqual([
      'type',
      'title',
      'status',
      'detail',
      'code',
      'requestId',
    ])
  })

  test.each([new Error('secret'), new TypeError('secret'), 'secret', undefined, { code: 'x' }])(
    'for an unexpected error is a 500 without details',
    (thrown) => {
      expect(toProblem(thrown, 'r')).toEqual({
        type: 'urn:smh-upload-gateway:problem:internal_error',
        title: 'Internal Server Error',
        status: 500,
        detail: 'An unexpected error occurred in the gateway.',
        code: 'internal_error',
        requestId: 'r',
      })
    },
  )

  test('is the same for every unknown upload and any reason in the log', () => {
    const one = uploadNotFound({ reason: 'confirm_key' })
    const other = uploadNotFound({ log: { smhCode: 'UploadNotBelongYou' } })
    expect(toProblem(one, 'r')).toEqual(toProblem(other, 'r'))
    expect(toProblem(one, 'r')).toMatchObject({
      status: 404,
      detail: 'No such upload.',
    })
    expect([one.details.reason, other.details.log?.smhCode]).toEqual([
      'confirm_key',
      'UploadNotBelongYou',
    ])
  })
})

test('GatewayError: keeps its code, status, details and name', () => {
  const error = new GatewayError('rate_limited', 'Wait.', { headers: { 'Retry-After': '3' } })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'GatewayError', code: 'rate_limited', message: 'Wait.' })
  expect([error.status, error.details.headers]).toEqual([429, { 'Retry-After': '3' }])
  expect(new GatewayError('not_found', 'x').details).toEqual({})
})

describe('error in the log', () => {
  test('no error has no fields', () => {
    expect(errorFields(undefined)).toEqual({})
  })

  test('an error of the gateway has its code, its reason and its log fields', () => {
    const log = { smhStatus: 403, smhCode: 'NoPermission' }
    const error = new GatewayError('upstream_error', 'Public.', { reason: 'misconfigured', log })
    expect(errorFields(error)).toEqual({ code: 'upstream_error', reason: 'misconfigured', ...log })
    expect(errorFields(new GatewayError('not_found', 'Public.'))).toEqual({ code: 'not_found' })
  })

  test('an unexpected error has its name and its stack frames, and not its message', () => {
    const error = new TypeError('canary\nat canary\n  second line')
    const fields = errorFields(error)
    expect(fields).toMatchObject({ code: 'internal_error', errorName: 'TypeError' })
    expect(fields.stack?.length).toBeGreaterThan(0)
    for (const frame of fields.stack ?? []) expect(frame).toMatch(/^at .*\S$/)
    expect(JSON.stringify(fields)).not.toContain('canary')
  })

  test.each(['canary\n    at canary (canary:1:1)', 'first line\n at canary\nlast line'])(
    'no line of the message %j counts as a stack frame',
    (message) => {
      const { stack } = errorFields(new Error(message))
      expect(stack?.length).toBeGreaterThan(0)
      expect(JSON.stringify(stack)).not.toContain('canary')
    },
  )

  test('an error whose message has changed has no stack frames', () => {
    const error = new Error('canary\n    at canary (canary:1:1)')
    // Some runtimes build the stack when it is first read.
    expect(error.stack).toContain('canary')
    error.message = 'another'
    expect(errorFields(error).stack).toEqual([])
  })

  test('an error without a stack has no stack frames', () => {
    const error = new Error('canary')
    delete error.stack
    expect(errorFields(error)).toEqual({ code: 'internal_error', errorName: 'Error', stack: [] })
  })

  test('a thrown value has its type alone', () => {
    expect(errorFields('canary')).toEqual({ code: 'internal_error', errorName: 'string' })
  })

  test.each([
    [new GatewayError('upstream_error', 'x', { severity: 'error' }), 'error'],
    [new GatewayError('upstream_error', 'x'), 'warn'],
    [new Error('x'), 'warn'],
  ])('the level of %o is %s', (error, level) => {
    expect(logLevelFor(error)).toBe(level)
  })
})
