/**
 * Why a call to SMH has no usable result. Code that distinguishes failures handles every kind. A new kind
 * does not compile until all of that code handles it.
 */
export type SmhFailure =
  /** No connection was made, so SMH has not received the call. */
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
       * - `machine`: this process was suspended, and the response may have arrived unread
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

/** The only error that `smh/` throws. Clients never see it: see uploads/public-error.ts. */
export class SmhError extends Error {
  readonly failure: SmhFailure
  /** Whether this failure is already in the log. */
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
