/**
 * Aborts requests. An `AbortSignal` is one. On Node the gateway uses a lighter object, because an `AbortSignal`
 * for each request costs more CPU time than most other steps of it.
 */
export interface AbortSignalLike {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** One bounded request. It offers less than `fetch`, which costs more than twice the CPU. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** May hold a token or a secret: an implementation must not log it or put it into an error. */
  url: string
  headers?: Readonly<Record<string, string>> | undefined
  body?: string | undefined
  /** Limits the time from the first byte sent to the last byte received, milliseconds. */
  timeoutMs: number
  /** Aborts the request. */
  signal?: AbortSignalLike | undefined
}

export interface HttpResponse {
  status: number
  /** A response header by its lower-case name. */
  header(name: string): string | undefined
  text: string
}

/** Sends requests to SMH and the issuer: with undici on Node, with `fetch` on Workers. */
export interface HttpClient {
  /**
   * Sends one request and never follows a redirect: a token must not travel to another host.
   * Rejects only with an {@link HttpClientError}.
   */
  request(request: HttpRequest): Promise<HttpResponse>
}

/** Limits the length of a response. The status of an upload with 10,000 parts takes about 1.4 MB. */
export const MAX_REPLY_BYTES = 4 * 1024 * 1024

/**
 * - `connect_failed`: no connection was made, so the server has not received the request
 * - `no_descriptor`: the same, because this process has no file descriptor left for a connection
 * - `connection_lost`: the connection broke before the response was complete; the request may have taken
 *   effect
 * - `timeout`: no complete response within `timeoutMs`; the request may have taken effect
 * - `too_large`: the response exceeds {@link MAX_REPLY_BYTES}; the request may have taken effect
 * - `aborted`: the signal of the request was aborted
 */
export type HttpClientErrorKind =
  | 'connect_failed'
  | 'no_descriptor'
  | 'connection_lost'
  | 'timeout'
  | 'too_large'
  | 'aborted'

/** Has no cause: an error of an HTTP client may name the URL, and the URL holds the token. */
export class HttpClientError extends Error {
  readonly kind: HttpClientErrorKind

  constructor(kind: HttpClientErrorKind) {
    super(`HTTP request failed: ${kind}`)
    this.name = 'HttpClientError'
    this.kind = kind
  }
}
