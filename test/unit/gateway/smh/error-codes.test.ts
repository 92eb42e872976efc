import { expect, test } from 'vitest'
import { hadNoEffect, meaningOf } from '../../../../src/gateway/smh/error-codes.ts'
import type { Refusal } from '../../../../src/gateway/smh/smh-error.ts'

const refused = (status: number, code?: string): Refusal => ({
  kind: 'refused',
  status,
  code,
  requestId: 'abc',
  retryAfterSeconds: undefined,
})

test.each([
  [403, 'InvalidAccessToken', 'token_dead'],
  [403, 'AccessTokenVersionNotMatch', 'token_dead'],
  [403, 'NoPermission', 'misconfigured'],
  [403, 'LibraryInitializing', 'busy'],
  [404, 'UploadNotFound', 'upload_not_found'],
  [404, 'SomethingNew', 'failed'],
  [404, 'constructor', 'failed'],
  [403, undefined, 'failed'],
  [503, undefined, 'unavailable'],
  [504, undefined, 'timeout'],
])('SMH error codes: %i %s means %s', (status, code, meaning) => {
  expect(meaningOf(refused(status, code))).toBe(meaning)
})

test.each([
  [429, undefined, true],
  [409, 'PathConflict', true],
  [403, 'LibraryInitializing', true],
  [500, undefined, false],
  [503, 'ServerOverloaded', false],
  [409, 'UploadComplete', false],
])('SMH error codes: %i %s proves that the call had no effect: %s', (status, code, expected) => {
  expect(hadNoEffect(refused(status, code))).toBe(expected)
})
