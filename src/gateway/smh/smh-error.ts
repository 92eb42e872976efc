/**
 * Why a call to SMH has no usable result. Every place that decides by it handles all members: a new one
 * fails to compile until each of them does.
 */
export type SmhFailure =
  /** No connection could be made, so SMH has not heard of the call. */
  | {
      kind: 'connect_failed'
      /** Whether this process has no file descriptor left for a connection. */
      noDescriptor: boolean
    }
  /** The connection broke before the whole response arrived. The call may have had its effect. */
  | { kind: 'connection_lost' }
  /** No whole response in time. The call may have had its effect. */
  | {
      kind: 'timeout'
      /**
       * - `smh`: SMH took too long
       * - `deadline`: earlier calls of the same request had used most of its time
       * - `machine`: this process stood still, and the response may lie unread
       */
      cause: 'smh' | 'deadline' | 'machine'
    }
  | Refusal
  /** SMH reports success, and its response cannot be used. */
  | { kind: 'invalid_response'; problem: 'shape' | 'too_large'; status?: number }
  /** The client of this request has disconnected. */
  | { kind: 'aborted' }
  /** The circuit refused to make the call. */
  | { kind: 'circuit_open'; scope: 'user' | 'all'; waitMs: number }

/** A response of SMH that is not a success. SMH's own text is never kept. */
export interface Refusal {
  kind: 'refused'
  status: number
  code: string | undefined
  requestId: string | undefined
  /** The value of `Retry-After`, when SMH sent one. */
  retryAfterSeconds: number | undefined
}

/** The one error that this room throws. It never leaves the gateway: see uploads/public-error.ts. */
export class SmhError extends Error {
  readonly failure: SmhFailure
  /** Whether the log has this failure already, at its own severity. */
  readonly isLogged: boolean

  constructor(failure: SmhFailure, isLogged = false) {
    super(`SMH: ${failure.kind}`)
    this.name = 'SmhError'
    this.failure = failure
    this.isLogged = isLogged
  }
}

/** The refusal behind an error, when SMH refused the call. */
export function refusalOf(error: unknown): Refusal | undefined {
  return error instanceof SmhError && error.failure.kind === 'refused' ? error.failure : undefined
}
