import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../../src/gateway/errors.ts'
import { type Refusal, SmhError, type SmhFailure } from '../../../../src/gateway/smh/smh-error.ts'
import { toPublicError } from '../../../../src/gateway/uploads/public-error.ts'

function refused(status: number, code?: string, retryAfterSeconds?: number) {
  return toPublicError(new SmhError(refusal(status, code, retryAfterSeconds)))
}

const refusal = (status: number, code?: string, retryAfterSeconds?: number): Refusal => ({
  kind: 'refused',
  status,
  code,
  requestId: 'abc',
  retryAfterSeconds,
})

describe('public error of an SMH code', () => {
  test.each([
    [403, 'NoPermission', 'upstream_error'],
    [403, 'InvalidAccessToken', 'upstream_error'],
    [403, 'AccessTokenNotMatchSpace', 'upstream_error'],
    [404, 'WrongLibraryIdOrSecret', 'upstream_error'],
    [404, 'SpaceNotFound', 'upstream_error'],
    [404, 'RouteNotFound', 'upstream_error'],
    [404, 'DirectoryNotFound', 'parent_not_found'],
    [409, 'SameNameDirectoryOrFileExists', 'name_conflict'],
    [409, 'RenameTooManyTimes', 'name_conflict'],
    [409, 'PathConflict', 'name_conflict'],
    [400, 'OverwriteFileNotAllowed', 'name_conflict'],
    [409, 'UploadComplete', 'upload_complete'],
    [404, 'UploadNotFound', 'upload_not_found'],
    [404, 'ConfirmKeyNotFound', 'upload_not_found'],
    [403, 'UploadNotBelongYou', 'upload_not_found'],
    [404, 'UploadIncomplete', 'upload_incomplete'],
    [400, 'UploadIncomplete', 'upload_incomplete'],
    [400, 'MultipartUploadIncomplete', 'upload_incomplete'],
    [400, 'MultipartUploadPartTooSmall', 'upload_incomplete'],
    [400, 'BadCrc64', 'checksum_mismatch'],
    [400, 'QuotaLimitReached', 'quota_exceeded'],
    [400, 'IllegalFileName', 'invalid_request'],
    [400, 'FileNameLengthExceed', 'invalid_request'],
    [400, 'ExtnameNotAllowed', 'invalid_request'],
    [400, 'ParamInvalid', 'invalid_request'],
    [413, 'RequestEntityTooLarge', 'invalid_request'],
    [451, 'SensitiveContentRecognized', 'content_refused'],
    [429, 'RateLimitExceeded', 'upstream_unavailable'],
    [403, 'LibraryInitializing', 'upstream_unavailable'],
    [503, 'ServerOverloaded', 'upstream_unavailable'],
    [500, 'InternalServerError', 'upstream_error'],
    [400, 'SomethingNew', 'upstream_error'],
    [400, 'constructor', 'upstream_error'],
  ])('%i %s: %s', (status, code, expected) => {
    const error = refused(status, code)
    expect(error.code).toBe(expected)
    expect(error.details.log).toEqual({ smhStatus: status, smhCode: code, smhRequestId: 'abc' })
    expect(error.message).toMatch(/^[A-Z].+\.$/)
    expect(error.message).not.toContain(code)
  })

  test.each([
    [429, 'upstream_unavailable'],
    [503, 'upstream_unavailable'],
    [408, 'upstream_timeout'],
    [504, 'upstream_timeout'],
    [413, 'invalid_request'],
    [414, 'invalid_request'],
    [431, 'invalid_request'],
    [451, 'content_refused'],
    [500, 'upstream_error'],
    [502, 'upstream_error'],
    [404, 'upstream_error'],
    [302, 'upstream_error'],
  ])('a response with status %i and no code: %s', (status, expected) => {
    expect(refused(status).code).toBe(expected)
    expect(refused(status).details.log).toEqual({ smhStatus: status, smhRequestId: 'abc' })
  })
})

test.each([
  [refused(429, 'RateLimitExceeded'), 'busy', 'The media store cannot be reached right now.'],
  [refused(503), 'unavailable', 'The media store cannot be reached right now.'],
  [refused(504), 'timeout', 'The media store did not respond in time.'],
  [refused(500), 'refused', 'The media store did not complete the request.'],
  [refused(403, 'NoPermission'), 'misconfigured', 'The media store did not complete the request.'],
] as const)(
  'public error: the log has a reason and the client a sentence: %o',
  (error, reason, detail) => {
    expect([error.details.reason, error.message]).toEqual([reason, detail])
  },
)

test('public error: a wrong configuration is logged as an error, a failure that a client causes is not', () => {
  for (const code of ['NoPermission', 'InvalidAccessToken', 'WrongLibraryIdOrSecret']) {
    expect(refused(403, code).details).toMatchObject({
      severity: 'error',
      reason: 'misconfigured',
    })
  }
  for (const code of ['UploadNotFound', 'QuotaLimitReached', 'IllegalFileName', 'SomethingNew']) {
    expect(refused(400, code).details.severity).toBeUndefined()
  }
})

test('public error: Retry-After has the value from SMH, at most two minutes. Default: two seconds', () => {
  const retryAfter = (seconds?: number) => refused(429, undefined, seconds).details.headers
  expect(retryAfter(7)).toEqual({ 'Retry-After': '7' })
  expect(retryAfter(500)).toEqual({ 'Retry-After': '120' })
  expect(retryAfter()).toEqual({ 'Retry-After': '2' })
})

test.each<[failure: SmhFailure, code: string, reason: string, severity?: string]>([
  [{ kind: 'connect_failed', noDescriptor: false }, 'upstream_unavailable', 'connect_failed'],
  [
    { kind: 'connect_failed', noDescriptor: true },
    'upstream_unavailable',
    'no_descriptor',
    'error',
  ],
  [{ kind: 'connection_lost' }, 'upstream_unavailable', 'connection_lost'],
  [{ kind: 'timeout', cause: 'smh' }, 'upstream_timeout', 'timeout'],
  [{ kind: 'timeout', cause: 'deadline' }, 'upstream_timeout', 'deadline_exceeded'],
  [{ kind: 'timeout', cause: 'machine' }, 'upstream_timeout', 'stalled'],
  [{ kind: 'invalid_response', problem: 'shape' }, 'upstream_error', 'invalid_response', 'error'],
  [{ kind: 'invalid_response', problem: 'too_large' }, 'upstream_error', 'too_large'],
  [{ kind: 'aborted' }, 'upstream_error', 'client_disconnected', 'info'],
  [{ kind: 'circuit_open', scope: 'all', waitMs: 1 }, 'upstream_unavailable', 'circuit_open'],
  [{ kind: 'circuit_open', scope: 'user', waitMs: 1 }, 'upstream_unavailable', 'user_circuit_open'],
])(
  'public error: the failure %o becomes %s, with the reason %s in the log',
  (failure, code, reason, severity) => {
    const { code: found, details } = toPublicError(new SmhError(failure))
    expect([found, details.reason, details.severity]).toEqual([code, reason, severity])
  },
)

test('public error: Retry-After of an open circuit has whole seconds, at least one', () => {
  const after = (waitMs: number) =>
    toPublicError(new SmhError({ kind: 'circuit_open', scope: 'all', waitMs })).details.headers
  expect(after(1)).toEqual({ 'Retry-After': '1' })
  expect(after(4_001)).toEqual({ 'Retry-After': '5' })
})

test('public error: a failure that is already in the log is not logged as an error again', () => {
  const again = new SmhError(refusal(403, 'NoPermission'), true)
  expect(toPublicError(again).details.severity).toBe('warn')
})

test('public error: a code that the operation does not declare becomes upstream_error', () => {
  const error = new SmhError(refusal(400, 'QuotaLimitReached', 7))
  expect(toPublicError(error, new Set(['quota_exceeded'])).code).toBe('quota_exceeded')
  expect(toPublicError(error, new Set(['upload_not_found']))).toMatchObject({
    code: 'upstream_error',
    details: {
      reason: 'unexpected',
      log: { smhStatus: 400, smhCode: 'QuotaLimitReached', smhRequestId: 'abc' },
    },
  })
})

test('public error: errors of the gateway pass unchanged', () => {
  const error = new GatewayError('rate_limited', 'Wait.')
  expect(toPublicError(error, new Set())).toBe(error)
})
