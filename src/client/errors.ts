import type { Problem } from './gateway-types.ts'

/**
 * Why an upload failed: the gateway's own code, or one of the client's.
 *
 * - `aborted`: by `abort()` or the signal
 * - `network`: the gateway or COS could not be reached, or an answer was lost
 * - `blocked`: every request to COS fails at once, while the gateway answers: the bucket's CORS rule
 *   does not allow this page, or a content blocker or firewall is in between
 * - `empty_file`: the file has no bytes
 * - `cos`: COS refuses a part; `cosCode` has its word for it
 * - `source_changed`: the file cannot be read as it was, or is not the one that was begun
 * - `token`: `getToken` failed; its error is the `cause`
 * - `bad_answer`: something answered that is no gateway
 */
export type UploadErrorCode =
  | Problem['code']
  | 'aborted'
  | 'network'
  | 'blocked'
  | 'empty_file'
  | 'cos'
  | 'source_changed'
  | 'token'
  | 'bad_answer'

/** What is known of a fault besides its code. */
export interface UploadErrorDetails {
  /** The HTTP status, if there was an answer. */
  status?: number | undefined
  /** For the operator of the gateway, or for Tencent Cloud where the code is `cos`. */
  requestId?: string | undefined
  /** Whether the same thing may well go better later. */
  retryable?: boolean | undefined
  /** What is wrong with which field of the input. */
  errors?: Problem['errors'] | undefined
  /** Parts that the gateway misses. */
  missingParts?: number[] | undefined
  cosCode?: string | undefined
  /** Milliseconds until the other side wants to be asked again. */
  retryAfterMs?: number | undefined
  cause?: unknown
}

/** The one error that an upload fails with. Decide by `code`. */
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
