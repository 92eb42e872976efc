/** The documentation of one error code for clients, in Markdown. */
interface ErrorCodeEntry {
  status: number
  /** When the gateway returns the code. */
  when: string
  /** What the client should do. */
  hint: string
}

const REPEAT_LATER = 'Wait `Retry-After` seconds and repeat.'

const REPEATED_BEGINS = '[Repeated begins](errors.md#repeated-begins) need care.'

/** Every public error code. To add a code, add an entry and run `npm run docs`. */
export const errorCodes = {
  invalid_request: {
    status: 400,
    when: 'The JSON, a field, a name or a header is invalid.',
    hint: 'Fix the fields in `errors`.',
  },
  missing_token: {
    status: 401,
    when: 'The request has no JWT.',
    hint: 'Get a JWT and repeat.',
  },
  invalid_token: {
    status: 401,
    when: 'The JWT is invalid or expired.',
    hint: 'Get a new JWT and repeat.',
  },
  insufficient_scope: {
    status: 403,
    when: 'The JWT lacks the scope that the operator requires.',
    hint: 'Get a JWT with this scope.',
  },
  not_permitted: {
    status: 403,
    when: 'The operator does not allow this upload.',
    hint: 'Show `detail`, which names the rule.',
  },
  upload_not_found: {
    status: 404,
    when:
      'The upload does not exist, has expired, was aborted or belongs to another user. The gateway also ' +
      'cancels an upload that has more parts than its size allows.',
    hint: 'Begin a new upload.',
  },
  parent_not_found: {
    status: 404,
    when: 'The folder does not exist, and the gateway may not create it.',
    hint: 'Choose a folder that exists.',
  },
  not_found: {
    status: 404,
    when: 'The endpoint does not exist.',
    hint: 'Fix the URL.',
  },
  method_not_allowed: {
    status: 405,
    when: 'The endpoint does not support this method.',
    hint: 'Use a method that `Allow` lists.',
  },
  name_conflict: {
    status: 409,
    when: 'A file with this name already exists.',
    hint: 'Ask the user for another name.',
  },
  upload_complete: {
    status: 409,
    when:
      'The upload is complete, so it cannot be renewed or aborted. From complete: the file was moved or ' +
      'deleted afterwards.',
    hint: 'Stop: the file was stored.',
  },
  not_renewable: {
    status: 409,
    when: 'The upload is a simple upload. Its credentials cannot be renewed.',
    hint: 'Begin again. With the same `Idempotency-Key`, the gateway cancels the old upload.',
  },
  request_in_progress: {
    status: 409,
    when: 'The first request with this `Idempotency-Key` is still running.',
    hint: REPEAT_LATER,
  },
  request_too_large: {
    status: 413,
    when: 'The body is larger than 64 KiB.',
    hint: 'Send a smaller body.',
  },
  file_too_large: {
    status: 413,
    when: "The declared or actual size exceeds the operator's limit.",
    hint:
      'Choose a smaller file. After complete, either the upload is gone, or `GET` returns `confirmed` ' +
      'and the size of the stored file differs from the declared size.',
  },
  unsupported_media_type: {
    status: 415,
    when: 'The body is not JSON.',
    hint: 'Send `Content-Type: application/json`.',
  },
  upload_incomplete: {
    status: 422,
    when: 'Parts are missing.',
    hint: 'Send the parts in `missingParts`, if it is present, and complete again.',
  },
  size_mismatch: {
    status: 422,
    when: 'The size of the parts or of the stored file differs from the declared size.',
    hint:
      'Compare the parts with those that `GET` returns, send the missing ones, and complete again. If ' +
      '`GET` returns `confirmed`, or after an instant upload, begin a new upload.',
  },
  checksum_mismatch: {
    status: 422,
    when: 'The CRC-64 of the received data differs from `crc64`.',
    hint: 'Abort and begin a new upload. If abort returns `upload_complete`, another client stored other data.',
  },
  idempotency_key_reused: {
    status: 422,
    when: 'The `Idempotency-Key` belongs to a request with another body or other metadata.',
    hint: 'Use a new key for each new upload.',
  },
  rate_limited: {
    status: 429,
    when: 'The user sent too many requests.',
    hint: REPEAT_LATER,
  },
  too_many_open_uploads: {
    status: 429,
    when: 'The user has too many uploads that are neither complete nor aborted.',
    hint: 'List the open uploads. Complete or abort some of them.',
  },
  metadata_too_large: {
    status: 431,
    when: 'The metadata has more than 20 entries or more than 2 KiB.',
    hint: 'Send fewer or shorter entries.',
  },
  content_refused: {
    status: 451,
    when: 'SMH rejected the content.',
    hint: 'Stop: a repeat has the same result.',
  },
  internal_error: {
    status: 500,
    when: 'An unexpected error occurred in the gateway.',
    hint: 'Report the `requestId` to the operator.',
  },
  upstream_error: {
    status: 502,
    when: "SMH sent an invalid response or rejected the gateway's credentials or configuration.",
    hint: `Repeat at once. ${REPEATED_BEGINS}`,
  },
  overloaded: {
    status: 503,
    when: 'The gateway is serving too many requests.',
    hint: REPEAT_LATER,
  },
  upstream_unavailable: {
    status: 503,
    when: 'SMH is unreachable, the connection to it was lost, or no keys are available to verify JWTs.',
    hint: `${REPEAT_LATER} ${REPEATED_BEGINS}`,
  },
  upstream_timeout: {
    status: 504,
    when: 'SMH did not respond in time.',
    hint: `Repeat at once. ${REPEATED_BEGINS}`,
  },
  quota_exceeded: {
    status: 507,
    when: 'The space is full.',
    hint: 'Stop: the operator must provide more space.',
  },
} as const satisfies Record<string, ErrorCodeEntry>

export type ErrorCode = keyof typeof errorCodes
