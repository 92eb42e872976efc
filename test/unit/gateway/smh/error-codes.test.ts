import { describe, expect, test } from 'vitest'
import { isTokenDead, isUnacted, refusalToError } from '../../../../src/gateway/smh/error-codes.ts'

function refused(status: number, code?: string, retryAfterSeconds?: number) {
  return refusalToError({ status, code, requestId: 'abc', retryAfterSeconds })
}

describe('a code of SMH becomes', () => {
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
    expect(error.facts).toMatchObject({ smhStatus: status, smhCode: code, smhRequestId: 'abc' })
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
  ])('an answer without a code, by its status %i: %s', (status, expected) => {
    expect(refused(status).code).toBe(expected)
    expect(refused(status).facts.smhCode).toBeUndefined()
  })
})

test.each([
  [refused(429, 'RateLimitExceeded'), 'busy', 'The media store cannot be reached right now.'],
  [refused(503), 'unavailable', 'The media store cannot be reached right now.'],
  [refused(504), 'timeout', 'The media store did not answer in time.'],
  [refused(500), 'refused', 'The media store could not do this.'],
  [refused(403, 'NoPermission'), 'wiring', 'The media store could not do this.'],
] as const)('the log gets a word, the caller a sentence: %o', (error, reason, detail) => {
  expect([error.facts.reason, error.message]).toEqual([reason, detail])
})

test('our own wiring raises an alarm, and what a caller can cause does not', () => {
  for (const code of ['NoPermission', 'InvalidAccessToken', 'WrongLibraryIdOrSecret']) {
    expect(refused(403, code).facts).toMatchObject({ alarm: true, reason: 'wiring' })
  }
  for (const code of ['UploadNotFound', 'QuotaLimitReached', 'IllegalFileName', 'SomethingNew']) {
    expect(refused(400, code).facts.alarm).toBeUndefined()
  }
})

test('Retry-After is what SMH wishes, up to two minutes, and two seconds otherwise', () => {
  const retryAfter = (seconds?: number) => refused(429, undefined, seconds).facts.headers
  expect(retryAfter(7)).toEqual({ 'Retry-After': '7' })
  expect(retryAfter(500)).toEqual({ 'Retry-After': '120' })
  expect(retryAfter()).toEqual({ 'Retry-After': '2' })
})

test('only a dead token is told as one', () => {
  expect(isTokenDead(refused(403, 'InvalidAccessToken'))).toBe(true)
  expect(isTokenDead(refused(403, 'AccessTokenVersionNotMatch'))).toBe(true)
  expect(isTokenDead(refused(403, 'NoPermission'))).toBe(false)
  expect(isTokenDead(refused(403))).toBe(false)
  expect(isTokenDead(new Error('InvalidAccessToken'))).toBe(false)
})

test('only refusals that say so can be repeated without doubling anything', () => {
  for (const [status, code] of [
    [429],
    [409, 'PathConflict'],
    [403, 'LibraryInitializing'],
  ] as const) {
    expect(isUnacted(refused(status, code))).toBe(true)
  }
  for (const [status, code] of [
    [500],
    [503, 'ServerOverloaded'],
    [409, 'UploadComplete'],
  ] as const) {
    expect(isUnacted(refused(status, code))).toBe(false)
  }
})
