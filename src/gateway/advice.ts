import type { LogReason, LogRecord } from './log-record.ts'

type Fields = Pick<LogRecord, 'reason' | 'smhCode'>

const issuerAway =
  'The issuer cannot be reached. Check JWT_ISSUER or JWT_JWKS_URL, name resolution and the firewall.'
const smhAway =
  'SMH cannot be reached. Check SMH_ENDPOINT, SMH_LIBRARY_ID, name resolution, TLS and the firewall.'
const badSecret =
  'SMH rejects the library id or its secret. Check SMH_LIBRARY_ID and SMH_LIBRARY_SECRET.'
const badToken = 'SMH rejects SMH_ACCESS_TOKEN. Create another one and set it.'
const badSpace = 'SMH rejects the space. Check SMH_SPACE_ID or SMH_SPACE_CLAIM.'
const badLibrary = 'SMH does not serve this library. Check its state in the SMH console.'

/** What to fix, by the reason in the log. */
const byReason: Readonly<Partial<Record<LogReason, string>>> = {
  issuer_keys_issuer_mismatch:
    'The discovery document names another issuer. Set JWT_ISSUER to exactly the value of its "issuer".',
  issuer_keys_no_usable_key:
    'The issuer publishes no key for the allowed algorithms. Check its key set and JWT_ALGORITHMS.',
  issuer_keys_too_many_keys:
    'The issuer publishes more than 1,000 keys. Set JWT_JWKS_URL to a smaller key set.',
  issuer_keys_jwks_uri:
    'The "jwks_uri" of the discovery document is not an https URL of another machine. Set JWT_JWKS_URL.',
  issuer_keys_status:
    'The issuer responds with an HTTP error, see issuerStatus. Check JWT_ISSUER, or set JWT_JWKS_URL.',
  issuer_keys_malformed:
    'The issuer does not respond with the expected JSON. Check JWT_ISSUER, or set JWT_JWKS_URL.',
  issuer_keys_too_large:
    'The response of the issuer is larger than 4 MiB. Check JWT_ISSUER and JWT_JWKS_URL.',
  issuer_keys_connect_failed: issuerAway,
  issuer_keys_connection_lost: issuerAway,
  issuer_keys_timeout: issuerAway,

  misconfigured:
    'SMH rejects the gateway, see smhCode. Check the SMH_ variables and the grants of the token.',
  connect_failed: smhAway,
  connection_lost: smhAway,
  timeout: smhAway,
  invalid_response:
    'The server at SMH_ENDPOINT does not respond like SMH. Check SMH_ENDPOINT and proxies.',

  audience: 'Tokens are for another audience. Set JWT_AUDIENCE to a value of their "aud".',
  issuer: 'Tokens name another issuer. Set JWT_ISSUER to exactly the value of their "iss".',
  expired:
    'Tokens have expired. Check the clock of this machine, and that apps get a fresh token in time.',
  not_yet_valid: 'Tokens are not valid yet. Check the clocks of this machine and of the issuer.',
}

/** Advice for single codes of SMH, more exact than that for `misconfigured`. */
const byCode: Readonly<Record<string, string>> = {
  WrongLibraryIdOrSecret: badSecret,
  LibraryNotFound: badSecret,
  LibraryServiceExpired: badLibrary,
  LibraryServiceTimeExpired: badLibrary,
  LibraryRecycled: badLibrary,
  InvalidAccessToken: badToken,
  AccessTokenVersionNotMatch: badToken,
  SpaceNotFound: badSpace,
  SpaceIdInvalid: badSpace,
  SpaceBanned: badSpace,
  EmptySpaceId: badSpace,
  NotMultiSpaceLibrary: badSpace,
  AccessTokenNotMatchSpace: badSpace,
}

/** What an operator should do about a failure with these fields: one or two fixed sentences. */
export function adviceFor({ reason, smhCode = '' }: Fields): string {
  if (reason === 'misconfigured' && Object.hasOwn(byCode, smhCode)) return byCode[smhCode] as string
  const advice = reason && byReason[reason]
  return advice ?? 'See docs/log.md for the meaning of reason, smhStatus and smhCode.'
}
