/** One bounded request. It offers less than `fetch`, which costs more than twice the CPU. */
export interface HttpRequest {
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

export interface HttpResponse {
  status: number
  /** A response header by its lower-case name. */
  header(name: string): string | undefined
  text: string
}

/** Sends requests to SMH and the issuer. Node has undici's, Workers have one of `fetch`. */
export interface HttpClient {
  /**
   * Sends one request and never follows a redirect: a token must not travel to another host.
   * Rejects with an {@link HttpClientError} and with nothing else.
   */
  request(request: HttpRequest): Promise<HttpResponse>
}

/** A reply longer than this is refused: 10,000 parts in a status take about 1.4 MB. */
export const MAX_REPLY_BYTES = 4 * 1024 * 1024

/**
 * - `connect_failed`: no connection could be had, so the other side has not heard of the call
 * - `no_descriptor`: the same, because this process has no file descriptor left for a connection
 * - `connection_lost`: the connection broke before the whole reply was here; the call may have had its effect
 * - `timeout`: no whole reply within `timeoutMs`; likewise
 * - `too_large`: the reply exceeds {@link MAX_REPLY_BYTES}; likewise
 * - `aborted`: the caller's signal
 */
export type HttpClientErrorKind =
  | 'connect_failed'
  | 'no_descriptor'
  | 'connection_lost'
  | 'timeout'
  | 'too_large'
  | 'aborted'

/** Carries no cause: what HTTP clients throw may name the URL, and the URL holds the token. */
export class HttpClientError extends Error {
  readonly kind: HttpClientErrorKind

  constructor(kind: HttpClientErrorKind) {
    super(`call out: ${kind}`)
    this.name = 'HttpClientError'
    this.kind = kind
  }
}
