import { expect, test } from 'vitest'
import { adviceFor } from '../../../src/gateway/advice.ts'

test.each<[Parameters<typeof adviceFor>[0], string]>([
  [{ reason: 'issuer_keys_issuer_mismatch' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_no_usable_key' }, 'JWT_ALGORITHMS'],
  [{ reason: 'issuer_keys_too_many_keys' }, 'JWT_JWKS_URL'],
  [{ reason: 'issuer_keys_jwks_uri' }, 'JWT_JWKS_URL'],
  [{ reason: 'issuer_keys_status' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_malformed' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_too_large' }, 'JWT_ISSUER'],
  [{ reason: 'issuer_keys_connect_failed' }, 'issuer cannot be reached'],
  [{ reason: 'issuer_keys_connection_lost' }, 'issuer cannot be reached'],
  [{ reason: 'issuer_keys_timeout' }, 'issuer cannot be reached'],
  [{ reason: 'misconfigured', smhCode: 'WrongLibraryIdOrSecret' }, 'SMH_LIBRARY_SECRET'],
  [{ reason: 'misconfigured', smhCode: 'LibraryNotFound' }, 'SMH_LIBRARY_ID'],
  [{ reason: 'misconfigured', smhCode: 'InvalidAccessToken' }, 'SMH_ACCESS_TOKEN'],
  [{ reason: 'misconfigured', smhCode: 'SpaceNotFound' }, 'SMH_SPACE_ID'],
  [{ reason: 'misconfigured', smhCode: 'LibraryRecycled' }, 'console'],
  [{ reason: 'misconfigured', smhCode: 'NoPermission' }, 'grants'],
  [{ reason: 'misconfigured', smhCode: 'constructor' }, 'grants'],
  [{ reason: 'connect_failed' }, 'SMH_ENDPOINT'],
  [{ reason: 'connection_lost' }, 'SMH_ENDPOINT'],
  [{ reason: 'timeout' }, 'SMH_ENDPOINT'],
  [{ reason: 'invalid_response' }, 'SMH_ENDPOINT'],
  [{ reason: 'audience' }, 'JWT_AUDIENCE'],
  [{ reason: 'issuer' }, 'JWT_ISSUER'],
  [{ reason: 'expired' }, 'clock'],
  [{ reason: 'not_yet_valid' }, 'clock'],
  [{ reason: 'stalled' }, 'docs/log.md'],
  [{}, 'docs/log.md'],
])('advice: for %j it names %s', (fields, words) => {
  const advice = adviceFor(fields)
  expect(advice).toContain(words)
  expect(advice).toMatch(/^[A-Z].*\.$/)
})
