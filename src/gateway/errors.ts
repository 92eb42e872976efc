import * as z from 'zod'
import { type ErrorCode, errorCodes } from './error-codes.ts'
import type { LogReason, LogRecord } from './log-record.ts'
import type { LogLevel } from './ports.ts'

export type { ErrorCode }

/** The status of each public error code. */
export const statusOf = Object.fromEntries(
  Object.entries(errorCodes).map(([code, { status }]) => [code, status]),
) as { readonly [Code in ErrorCode]: (typeof errorCodes)[Code]['status'] }

/** The reason phrases of the statuses above (RFC 9110 §15, RFC 6585, RFC 7725, RFC 4918). */
const titleOf: Record<(typeof statusOf)[ErrorCode], string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
}

export interface FieldIssue {
  field: string
  message: string
}

/** The details of an error. Only the first group of fields reaches the client. */
export interface ErrorDetails {
  errors?: readonly FieldIssue[]
  missingParts?: readonly number[]
  headers?: Readonly<Record<string, string>>

  reason?: LogReason
  /** Further fields of the log line. */
  log?: Partial<LogRecord>
  /** The level of the log line. Default: depends on the status. At `error` the operator must act. */
  severity?: 'info' | 'warn' | 'error'
}

/**
 * An error with a public code. `detail` is public and always a text of the source. It contains nothing from
 * SMH, from a token or from the configuration.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, detail: string, details: ErrorDetails = {}) {
    super(detail)
    this.name = 'GatewayError'
    this.code = code
    this.details = details
  }

  get status(): (typeof statusOf)[ErrorCode] {
    return statusOf[this.code]
  }
}

/** The 404 for every unusable confirm key. The response is the same in all cases. */
export function uploadNotFound(details: ErrorDetails = {}): GatewayError {
  return new GatewayError('upload_not_found', 'No such upload.', details)
}

/** An invalid field of the request. */
export function invalidField(field: string, message: string): GatewayError {
  return new GatewayError('invalid_request', 'The request is invalid.', {
    errors: [{ field, message }],
  })
}

const codes = Object.keys(statusOf)

/** Open, like every response: clients must accept fields and codes of later versions. */
export const problemSchema = z
  .object({
    type: z.string().meta({ example: 'urn:smh-upload-gateway:problem:upload_not_found' }),
    title: z.string().meta({ example: 'Not Found' }),
    status: z.int().meta({ format: 'int32', example: 404 }),
    detail: z.string().meta({ example: 'No such upload.' }),
    code: z.string().meta({
      description:
        `Machine-readable error code. Known values: ${codes.join(', ')}. ` +
        'Later versions may add codes: handle an unknown one by its `status`.',
      example: 'upload_not_found',
      'x-extensible-enum': codes,
    }),
    requestId: z.string().meta({ example: '0d9f4f0e-5c5e-4f0b-8f52-4c1a3f5d1f7e' }),
    errors: z
      .array(
        z
          .object({
            field: z.string().meta({ example: 'size' }),
            message: z.string().meta({ example: 'Too small: expected number to be >=1' }),
          })
          .meta({ id: 'FieldError', description: 'An invalid field of the request.' }),
      )
      .optional(),
    missingParts: z
      .array(z.int().meta({ format: 'int32' }))
      .optional()
      .meta({
        description: 'Numbers of the missing parts. Send them before you complete.',
        example: [2, 3],
      }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details. Distinguish errors by `code`.' })

export type Problem = z.infer<typeof problemSchema>

/** The response body of an error (RFC 9457). An unexpected error is a 500 without details. */
export function toProblem(error: unknown, requestId: string): Problem {
  const known =
    error instanceof GatewayError
      ? error
      : new GatewayError('internal_error', 'An unexpected error occurred in the gateway.')
  return {
    type: `urn:smh-upload-gateway:problem:${known.code}`,
    title: titleOf[known.status],
    status: known.status,
    detail: known.message,
    code: known.code,
    requestId,
    ...(known.details.errors && { errors: [...known.details.errors] }),
    ...(known.details.missingParts && { missingParts: [...known.details.missingParts] }),
  }
}

/** The log fields of an error: codes, fixed words, and stack frames without the message. */
export function errorFields(error: unknown): Partial<LogRecord> {
  if (error === undefined) return {}
  if (error instanceof GatewayError) {
    const { reason, log } = error.details
    return { code: error.code, ...(reason && { reason }), ...log }
  }
  if (!(error instanceof Error)) return { code: 'internal_error', errorName: typeof error }
  return { code: 'internal_error', errorName: error.name, stack: framesOf(error) }
}

/** The message is a part of the stack, and a line of it may look like a frame. */
function framesOf({ message, stack = '' }: Error): string[] {
  const start = stack.indexOf(message)
  if (start < 0) return []
  const lines = stack.slice(start + message.length).split('\n')
  return lines.filter((line) => /^\s+at /.test(line)).map((frame) => frame.trim())
}

/** The level of a log line about a failure that no client caused. */
export function logLevelFor(error: unknown): LogLevel {
  return error instanceof GatewayError ? (error.details.severity ?? 'warn') : 'warn'
}
