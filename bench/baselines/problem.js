/** An error with a public code, sent as problem details (RFC 9457). */
export class Problem extends Error {
  constructor(status, code, detail, headers = {}) {
    super(detail)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

export function problemBody({ status, code, message }, requestId) {
  return {
    type: `urn:bench:problem:${code}`,
    title: 'Error',
    status,
    detail: message,
    code,
    requestId,
  }
}

/** Errors that are no problem are bugs: a 500 without details. */
export function toProblem(error) {
  return error instanceof Problem ? error : new Problem(500, 'internal_error', 'Unexpected error.')
}
