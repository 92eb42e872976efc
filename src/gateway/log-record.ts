/**
 * Everything that the gateway may log, with its meaning for operators, in Markdown. To add an event, a
 * field or a reason, add an entry and run `npm run docs`. No field may hold a secret or personal data.
 */

export const logEvents = {
  request: 'The gateway served a request.',
  listening: 'Node: the gateway accepts connections at `address`.',
  metrics_listening: 'The metrics are available at `address`, path `/metrics`.',
  start_check_passed: 'Node: signing keys and an SMH token are available after the start.',
  start_check_failed:
    'Node: signing keys or an SMH token are not available after the start. The gateway accepts requests ' +
    'anyway. `advice` says what to fix.',
  not_ready: '`/readyz` returns 503.',
  stopping: 'Node: the gateway received SIGTERM or SIGINT and is completing its requests.',
  stopped: 'Node: the gateway completed its requests and stops.',
  crashed: 'A bug ended the process. Please report `errorName` and `stack`.',
  invalid_configuration: 'Workers: `issues` lists the variables to fix. Every request gets 503.',
  unknown_variables: '`variables` resemble names of configuration variables. Check their spelling.',
  rate_limit_binding_missing:
    'Workers: the bindings in `variables` are missing from `wrangler.toml`, so their rate limit is off.',
  issuer_keys_unavailable:
    'The signing keys cannot be fetched. `warn`: the previous keys stay in use. `error`: no keys are available.',
  tokens_refused:
    'Many JWTs were rejected in the last minute for the same `reason`. At `error`, no JWT was valid. ' +
    '`advice` says what to fix. `count` is the number of rejected requests.',
  access_token_not_renewed: 'The SMH token cannot be renewed.',
  smh_circuit_opened: 'Calls to SMH fail, so the gateway sends only trial calls.',
  smh_circuit_closed: 'SMH responds again.',
  ledger_unavailable:
    'The shared ledger does not answer. Each instance counts in its own memory until `ledger_available`.',
  ledger_available: 'The shared ledger answers again.',
  ledger_bypassed:
    'One call was answered from memory, because the shared ledger was slow or could not be read. At `debug` ' +
    'or `warn`.',
  upload_cancelled: 'The gateway cancelled an upload. `reason` says why.',
  log_lines_dropped:
    'Node: the log could not be written for a while. `count` is the number of lost lines.',
} as const

/** The meaning of a log field whose value is a `T`. */
interface LogField<T> {
  meaning: string
  /** Exists only for the type. */
  value?: T
}

const field = <T>(meaning: string): LogField<T> => ({ meaning })

export const logFields = {
  requestId: field<string>(
    'The `X-Request-Id` of the response. The gateway keeps a valid id of the request and otherwise generates one.',
  ),
  operation: field<string>(
    'The operation of the request, as in the OpenAPI document. `none` for an unknown path.',
  ),
  method: field<string>('The HTTP method of the request.'),
  status: field<number>('The status of the response.'),
  durationMs: field<number>('The duration of the request, in milliseconds.'),
  code: field<string>('The [error code](errors.md) of the response.'),
  reason: field<LogReason>('The cause of an error. See [Reasons](#reasons).'),
  smhStatus: field<number>('The status of the last response from SMH.'),
  smhCode: field<string>("SMH's error code."),
  smhRequestId: field<string>("SMH's request id. Quote it to SMH's support."),
  smhUploadId: field<string>(
    "SMH's upload id of a stored file whose size differs from the declared size.",
  ),
  declaredSize: field<number>('The declared size of the file, in bytes.'),
  storedSize: field<number>('The actual size of the file, in bytes.'),
  issuerStatus: field<number>("The HTTP status of the issuer's discovery document or key set."),
  issues: field<readonly { variable: string; message: string }[]>(
    'Invalid configuration variables and their expected format, without their values.',
  ),
  variables: field<readonly string[]>('Names of configuration variables or bindings.'),
  address: field<string>('The URL at which the gateway listens.'),
  advice: field<string>('What the operator should do.'),
  count: field<number>('The number of rejected requests or of lost lines.'),
  errorName: field<string>('The class of an unexpected error.'),
  stack: field<readonly string[]>('The stack of an unexpected error, without its message.'),
}

export const logReasons = {
  misconfigured: 'SMH rejects the ids, the secret or the grants. See `smhCode`.',
  invalid_response: 'The response is not from SMH, or a proxy changed it.',
  too_large: 'The response from SMH is too large.',
  busy: 'SMH is overloaded.',
  unavailable: 'SMH is down.',
  refused: 'SMH returned an error that no other reason covers. See `smhStatus` and `smhCode`.',
  unexpected: 'SMH returned an error that is not expected for this operation. See `smhCode`.',
  connect_failed: 'The gateway cannot connect to SMH.',
  connection_lost: 'The connection to SMH was lost.',
  timeout: 'SMH did not respond in time.',
  deadline_exceeded: 'Earlier calls to SMH used all the time that the request may take.',
  stalled: 'The process was suspended, so a timeout fired late.',
  no_descriptor: 'The process has too many open files. Raise its limit.',
  circuit_open: 'Recent calls to SMH failed for all users, so the gateway did not call SMH.',
  user_circuit_open: 'Recent calls to SMH failed for this user, so the gateway did not call SMH.',

  issuer_keys_connect_failed: 'The gateway cannot connect to the issuer.',
  issuer_keys_no_descriptor: 'The process has too many open files. Raise its limit.',
  issuer_keys_connection_lost: 'The connection to the issuer was lost.',
  issuer_keys_timeout: 'The issuer did not respond in time.',
  issuer_keys_aborted: 'The request to the issuer was cancelled.',
  issuer_keys_retry_later:
    'The last request to the issuer failed. The gateway waits before the next one.',
  issuer_keys_busy: 'Too many requests are waiting for the signing keys.',
  issuer_keys_status: 'The issuer returned an HTTP error. See `issuerStatus`.',
  issuer_keys_malformed: "The issuer's response is not the expected JSON.",
  issuer_keys_too_large: "The issuer's response is too large.",
  issuer_keys_issuer_mismatch: 'The discovery document names another issuer. Check `JWT_ISSUER`.',
  issuer_keys_jwks_uri:
    "The discovery document's `jwks_uri` is not an `https` URL of another machine.",
  issuer_keys_too_many_keys: 'The key set has more than 1,000 keys.',
  issuer_keys_no_usable_key: 'The key set has no key for `JWT_ALGORITHMS`.',

  malformed: 'The JWT is malformed, larger than 8 KiB or nested too deeply.',
  type: '`typ` is neither `JWT` nor `at+jwt`: it is probably not an access token.',
  algorithm: 'The algorithm is not in `JWT_ALGORITHMS`.',
  unknown_key:
    'The issuer does not publish this key. The JWT is from another issuer or environment, or is forged.',
  signature: 'The signature is wrong. The JWT is from another issuer or environment, or is forged.',
  issuer: '`iss` is not `JWT_ISSUER`.',
  audience: '`aud` contains no value of `JWT_AUDIENCE`.',
  expired: 'The JWT has expired: the app did not renew it, or a clock is wrong.',
  not_yet_valid: '`nbf` is in the future: a clock is wrong.',
  claims: '`exp`, `iss`, `aud` or `JWT_USER_CLAIM` is missing or has the wrong type.',

  extension: '`UPLOAD_ALLOWED_EXTENSIONS` forbids the upload.',
  strategy: '`UPLOAD_CONFLICT_STRATEGIES` forbids the upload.',
  metadata_key: '`UPLOAD_META_KEYS` forbids the upload.',
  instant: '`UPLOAD_INSTANT` forbids the upload.',
  space_claim: 'The claim that `SMH_SPACE_CLAIM` names is missing or is not the id of a space.',
  prefix_claim: 'A claim in `UPLOAD_PATH_PREFIX` is missing or too long.',
  confirm_key: 'The confirm key has expired, was changed or belongs to another user.',
  stored_size: 'The size of the stored file differs from the declared size.',
  stored_checksum: "The CRC-64 of the stored file differs from the client's.",
  foreign_path: "SMH stored an instant upload outside the user's folder.",
  too_many_parts: 'The upload had more parts than its size allows.',

  ledger_timeout: 'The ledger did not answer in time.',
  ledger_unreadable:
    'An entry of the ledger is unreadable, for example after a change of the version.',
  ledger_error:
    'The ledger refuses connections, or answered with an error. Check `REDIS_URL`, and the rights of its user.',

  client_disconnected: 'The client disconnected.',
  body_timeout: 'The request body did not arrive within 30 seconds.',
  not_ready: 'Signing keys or an SMH token are not available. See the event `not_ready`.',
  preflight_origin: 'CORS: the origin is not in `CORS_ORIGINS`. The browser blocks the request.',
  preflight_method: 'CORS: the method is not allowed. The browser blocks the request.',
  preflight_header: 'CORS: a header is not allowed. The browser blocks the request.',
  preflight_cors_off: 'CORS: `CORS_ORIGINS` is not set. The browser blocks the request.',
} as const

export type LogReason = keyof typeof logReasons

type WithoutPrefix<Reason> = Reason extends `issuer_keys_${infer Rest}` ? Rest : never

export type IssuerKeysReason = WithoutPrefix<LogReason>

/** A line of the log, besides its level and time. */
export type LogRecord = { event: keyof typeof logEvents } & {
  [Name in keyof typeof logFields]?: NonNullable<(typeof logFields)[Name]['value']>
}
