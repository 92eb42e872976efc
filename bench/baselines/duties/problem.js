import { STATUS_CODES } from 'node:http'

/** An error with a public code, which becomes a response (RFC 9457). */
export class Problem extends Error {
  constructor(status, code, detail, { headers, errors, reason } = {}) {
    super(detail)
    this.status = status
    this.code = code
    this.headers = headers
    this.errors = errors
    this.reason = reason
  }
}

/** An invalid request, with its invalid fields. */
export function invalidRequest(...errors) {
  return new Problem(400, 'invalid_request', 'The request is invalid.', { errors })
}

/** A request that the operator's rules forbid. `reason` is for the log. */
export function notPermitted(detail, reason) {
  return new Problem(403, 'not_permitted', detail, { reason })
}

/** The problem of what a handler has thrown. An unexpected error has no details. */
export function toProblem(error) {
  if (error instanceof Problem) return error
  return new Problem(500, 'internal_error', 'An unexpected error occurred.', {
    reason: error?.name,
  })
}

/** The body of the response. */
export function problemBody({ status, code, message, errors }, requestId) {
  return {
    type: `urn:smh-upload-gateway:problem:${code}`,
    title: STATUS_CODES[status],
    status,
    detail: message,
    code,
    requestId,
    errors,
  }
}
