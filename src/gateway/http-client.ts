/**
 * The way out of the gateway: one bounded call, text back. Node fills it with undici's `request`,
 * Workers with `fetch`. It is narrower than fetch because fetch costs more than twice the CPU.
 */
export interface CallOutRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** May hold a token or a secret: an implementation never logs it nor puts it into an error. */
  url: string
  headers?: Record<string, string>
  body?: string
  /** From the first byte sent to the last byte received, milliseconds. */
  timeoutMs: number
  /** The caller's: when it aborts, so does the call. */
  signal?: AbortSignal
}

export interface CallOutReply {
  status: number
  /** A response header by its lower-case name. */
  header(name: string): string | undefined
  text: string
}

/**
 * Makes one call and never follows a redirect (a token must not travel to another host).
 * Rejects with an {@link CallOutFault} and with nothing else.
 */
export type CallOut = (call: CallOutRequest) => Promise<CallOutReply>

/** A reply longer than this is refused: 10,000 parts in a status take about 1.4 MB. */
export const MAX_REPLY_BYTES = 4 * 1024 * 1024

/**
 * - `unsent`: no connection could be had, so the other side has not heard of the call
 * - `no_descriptor`: the same, because this process has no file descriptor left for a connection
 * - `lost`: the connection broke before the whole reply was here; the call may have had its effect
 * - `timeout`: no whole reply within `timeoutMs`; likewise
 * - `too_large`: the reply exceeds {@link MAX_REPLY_BYTES}; likewise
 * - `aborted`: the caller's signal
 */
export type CallOutFaultKind =
  | 'unsent'
  | 'no_descriptor'
  | 'lost'
  | 'timeout'
  | 'too_large'
  | 'aborted'

/** Carries no cause: what HTTP clients throw may name the URL, and the URL holds the token. */
export class CallOutFault extends Error {
  readonly kind: CallOutFaultKind

  constructor(kind: CallOutFaultKind) {
    super(`call out: ${kind}`)
    this.name = 'CallOutFault'
    this.kind = kind
  }
}
