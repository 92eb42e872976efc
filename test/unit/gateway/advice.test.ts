import { expect, test } from 'vitest'
import { adviceFor } from '../../../src/gateway/advice.ts'

test.each([
  [{ reason: 'issuer_keys_issuer_mismatch' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_no_usable_key' }, 'JWT_ALGORITHMS'],
  [{ reason: 'issuer_keys_too_many_keys' }, 'JWT_JWKS_URL'],
  [{ reason: 'issuer_keys_jwks_uri' }, 'JWT_JWKS_URL'],
  [{ reason: 'issuer_keys_status' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_malformed' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_too_large' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_unsent' }, 'issuer cannot be reached'],
  [{ reason: 'issuer_keys_lost' }, 'issuer cannot be reached'],
  [{ reason: 'issuer_keys_timeout' }, 'issuer cannot be reached'],
  [{ reason: 'wiring', smhCode: 'WrongLibraryIdOrSecret' }, 'SMH_LIBRARY_SECRET'],
  [{ reason: 'wiring', smhCode: 'LibraryNotFound' }, 'SMH_LIBRARY_ID'],
  [{ reason: 'wiring', smhCode: 'InvalidAccessToken' }, 'SMH_ACCESS_TOKEN'],
  [{ reason: 'wiring', smhCode: 'SpaceNotFound' }, 'SMH_SPACE_ID'],
  [{ reason: 'wiring', smhCode: 'LibraryRecycled' }, 'console'],
  [{ reason: 'wiring', smhCode: 'NoPermission' }, 'grants'],
  [{ reason: 'wiring', smhCode: 'constructor' }, 'grants'],
  [{ reason: 'unsent' }, 'SMH_ENDPOINT'],
  [{ reason: 'lost' }, 'SMH_ENDPOINT'],
  [{ reason: 'timeout' }, 'SMH_ENDPOINT'],
  [{ reason: 'unusable_reply' }, 'SMH_ENDPOINT'],
  [{ reason: 'audience' }, 'JWT_AUDIENCE'],
  [{ reason: 'issuer' }, 'JWT_ISSUER'],
  [{ reason: 'expired' }, 'clock'],
  [{ reason: 'not_yet_valid' }, 'clock'],
  [{ reason: 'constructor' }, 'README'],
  [{}, 'README'],
])('%j: the advice names %s', (fields, words) => {
  const advice = adviceFor(fields)
  expect(advice).toContain(words)
  expect(advice).toMatch(/^[A-Z].*\.$/)
})
