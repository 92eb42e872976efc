/** What a client reads of one error code, in Markdown. */
interface ErrorCodeEntry {
  status: number
  /** When the gateway answers with the code. */
  when: string
  /** What the client does then. */
  hint: string
}

const REPEAT_LATER = 'Wait `Retry-After` seconds and repeat.'

const REPEATED_BEGINS = '[Repeated begins](errors.md#repeated-begins) need care.'

/** Every public error code. To add a code, add an entry and run `npm run docs`. */
export const errorCodes = {
  invalid_request: {
    status: 400,
    when: 'The JSON, a field, a name or a header is not valid.',
    hint: 'Fix the fields in `errors`.',
  },
  missing_token: {
    status: 401,
    when: 'The request has no JWT.',
    hint: 'Get a JWT and repeat.',
  },
  invalid_token: {
    status: 401,
    when: 'The JWT is not valid or has expired.',
    hint: 'Get a new JWT and repeat.',
  },
  insufficient_scope: {
    status: 403,
    when: 'The JWT lacks the scope that the operator requires.',
    hint: 'Get a JWT with this scope.',
  },
  not_permitted: {
    status: 403,
    when: 'A rule of the operator forbids the upload.',
    hint: 'Show `detail`, which names the rule.',
  },
  upload_not_found: {
    status: 404,
    when:
      'The upload is unknown, ended, aborted or of another user. The gateway also cancels an upload ' +
      'with more parts than its size allows.',
    hint: 'Begin again.',
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
    when: 'The endpoint does not have this method.',
    hint: 'Use a method in `Allow`.',
  },
  name_conflict: {
    status: 409,
    when: 'A file with this name exists.',
    hint: 'Ask the user for another name.',
  },
  upload_complete: {
    status: 409,
    when:
      'The upload is complete, so that it cannot be renewed or aborted. From complete: the file has ' +
      'been moved or deleted since.',
    hint: 'Stop: the file was stored.',
  },
  request_too_large: {
    status: 413,
    when: 'The body is larger than 64 KiB.',
    hint: 'Send a smaller body.',
  },
  file_too_large: {
    status: 413,
    when: 'The declared size or the real size exceeds the limit of the operator.',
    hint:
      'Choose a smaller file. From complete: the upload is gone, or `GET` says `confirmed` and the ' +
      'stored file has another size than declared.',
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
    when: 'The parts or the stored file have another size than declared.',
    hint:
      'Compare the parts with those of `GET`, send what is missing, and complete again. When `GET` says ' +
      '`confirmed`, and after an instant upload, begin again.',
  },
  checksum_mismatch: {
    status: 422,
    when: 'The CRC-64 of the received data differs from `crc64`.',
    hint: 'Abort and begin again. When abort answers `upload_complete`, another client has stored other data.',
  },
  rate_limited: {
    status: 429,
    when: 'The user has made too many requests.',
    hint: REPEAT_LATER,
  },
  metadata_too_large: {
    status: 431,
    when: 'The metadata has more than 20 entries or more than 2 KiB.',
    hint: 'Send fewer or shorter metadata headers.',
  },
  content_refused: {
    status: 451,
    when: 'SMH rejects the content.',
    hint: 'Stop: a repeat has the same result.',
  },
  internal_error: {
    status: 500,
    when: 'The gateway has failed unexpectedly.',
    hint: 'Report the `requestId` to the operator.',
  },
  upstream_error: {
    status: 502,
    when: 'SMH has sent an unusable response, or it rejects the configuration of the gateway.',
    hint: `Repeat at once. ${REPEATED_BEGINS}`,
  },
  overloaded: {
    status: 503,
    when: 'The gateway serves too many requests.',
    hint: REPEAT_LATER,
  },
  upstream_unavailable: {
    status: 503,
    when: 'SMH is unreachable, the connection to it has broken, or no keys are available to verify JWTs.',
    hint: `${REPEAT_LATER} ${REPEATED_BEGINS}`,
  },
  upstream_timeout: {
    status: 504,
    when: 'SMH has not answered in time.',
    hint: `Repeat at once. ${REPEATED_BEGINS}`,
  },
  quota_exceeded: {
    status: 507,
    when: 'The space is full.',
    hint: 'Stop: the operator must provide more space.',
  },
} as const satisfies Record<string, ErrorCodeEntry>

export type ErrorCode = keyof typeof errorCodes
