import type { Problem } from './gateway-types.ts'

/**
 * Why an upload failed: a code of the gateway, or one of the client.
 *
 * - `aborted`: by `abort()` or the signal
 * - `network`: the gateway or COS was not reachable, or a response was lost
 * - `blocked`: every request to COS fails at once while the gateway responds. The bucket's CORS rule does
 *   not allow this page, or a content blocker or firewall stops the requests
 * - `cos`: COS rejected a part; `cosCode` is its error code
 * - `source_changed`: the file has changed, cannot be read, or is not the one that the upload began with
 * - `token`: `getToken` failed; its error is the `cause`
 * - `bad_answer`: a response that does not come from the gateway
 */
export type UploadErrorCode =
  | Problem['code']
  | 'aborted'
  | 'network'
  | 'blocked'
  | 'cos'
  | 'source_changed'
  | 'token'
  | 'bad_answer'

/** The fields of an {@link UploadError} besides its code. */
export interface UploadErrorDetails {
  /** The HTTP status, if there was a response. */
  status?: number | undefined
  /** The gateway's request id, or COS's when the code is `cos`. Quote it in support requests. */
  requestId?: string | undefined
  /** Whether a later attempt may succeed. */
  retryable?: boolean | undefined
  /** Which fields of the request are not valid, and why. */
  errors?: Problem['errors'] | undefined
  /** Numbers of the parts that have not arrived. */
  missingParts?: number[] | undefined
  cosCode?: string | undefined
  /** Milliseconds to wait before the next attempt, as the response asks. */
  retryAfterMs?: number | undefined
  cause?: unknown
}

/** The error with which an upload fails. Distinguish errors by `code`. */
export class UploadError extends Error {
  readonly code: UploadErrorCode
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly retryable: boolean
  readonly errors: Problem['errors'] | undefined
  readonly missingParts: number[] | undefined
  readonly cosCode: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: UploadErrorCode, message: string, details: UploadErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.name = 'UploadError'
    this.code = code
    this.status = details.status
    this.requestId = details.requestId
    this.retryable = details.retryable ?? false
    this.errors = details.errors
    this.missingParts = details.missingParts
    this.cosCode = details.cosCode
    this.retryAfterMs = details.retryAfterMs
  }
}

/** Whether `error` is an {@link UploadError} with one of these codes. */
export function hasCode(error: unknown, ...codes: UploadErrorCode[]): error is UploadError {
  return error instanceof UploadError && codes.includes(error.code)
}

/** The largest size in bytes that a `file_too_large` names. Only the text of the problem has it. */
export function limitOf({ message }: UploadError): number | undefined {
  const limit = /at most (\d+) bytes/.exec(message)?.[1]
  return limit === undefined ? undefined : Number(limit)
}
