import { Agent, type Dispatcher } from 'undici'
import {
  type AbortSignalLike,
  type HttpClient,
  HttpClientError,
  type HttpClientErrorKind,
  type HttpRequest,
  type HttpResponse,
  MAX_REPLY_BYTES,
} from '../../http-client.ts'
import { fetchClient } from '../shared/fetch-client.ts'

/** How long an idle connection stays open. Most pauses are shorter, and the idle timeouts of load balancers longer. */
const KEEP_ALIVE_MS = 30_000

export interface UndiciClient extends HttpClient {
  /** Closes the pooled connections after their requests have ended. */
  close(): Promise<void>
  /** Closes the pooled connections now. Pending requests fail. */
  destroy(): Promise<void>
}

/**
 * Creates the HTTP client on undici's connection pool. It uses `dispatch`: undici's `request` builds a stream for
 * each response and an `AbortSignal` for each timeout, which costs more CPU time than the request itself.
 */
export function createUndiciClient(): UndiciClient {
  const agent = new Agent({ keepAliveTimeout: KEEP_ALIVE_MS, maxResponseSize: MAX_REPLY_BYTES })
  // Bun has its own undici, whose agents have no `close` and no limit for responses.
  if (!agent.close) return { ...fetchClient, close: async () => {}, destroy: async () => {} }
  return {
    request: (wanted) =>
      new Promise((resolve, reject) => {
        const exchange = new Exchange(wanted, resolve, reject)
        if (!wanted.signal?.aborted) agent.dispatch(optionsOf(wanted), exchange)
      }),
    close: () => agent.close(),
    destroy: () => agent.destroy(),
  }
}

function optionsOf(wanted: HttpRequest): Dispatcher.DispatchOptions {
  const { method, headers, body } = wanted
  // A fragment is not sent (RFC 9110 §7.1).
  const [url = ''] = wanted.url.split('#', 1)
  const pathAt = url.indexOf('/', url.indexOf('//') + 2)
  const hasPath = pathAt !== -1
  return {
    origin: hasPath ? url.slice(0, pathAt) : url,
    path: hasPath ? url.slice(pathAt) : '/',
    method,
    headers: headers ?? null,
    body: body ?? null,
    // The timeout of the exchange limits both together.
    headersTimeout: 0,
    bodyTimeout: 0,
  }
}

/** One request and its response, up to the last byte. It settles once. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (response: HttpResponse) => void
  readonly #reject: (error: HttpClientError) => void
  readonly #signal: AbortSignalLike | undefined
  readonly #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #failure: HttpClientErrorKind | undefined
  #status = 0
  #headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2] = {}
  readonly #chunks: Buffer[] = []

  constructor(
    { timeoutMs, signal }: HttpRequest,
    resolve: (response: HttpResponse) => void,
    reject: (error: HttpClientError) => void,
  ) {
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = signal
    this.#timer = setTimeout(failLate, timeoutMs, this)
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort)
  }

  /** Called when a connection of the pool is ready for the request. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#failure) controller.abort(new HttpClientError(this.#failure))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#release()
    const chunks = this.#chunks
    const [first] = chunks
    const bytes = chunks.length === 1 && first ? first : Buffer.concat(chunks)
    const headers = this.#headers
    this.#resolve({
      status: this.#status,
      header(name) {
        const value = headers[name]
        return Array.isArray(value) ? value[0] : value
      },
      text: utf8.decode(bytes),
    })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#release()
    this.#reject(new HttpClientError(this.#failure ?? kindOf(error)))
  }

  readonly #onAbort = (): void => this.fail('aborted')

  /** Stops the exchange before it has ended. */
  fail(kind: HttpClientErrorKind): void {
    this.#release()
    const error = new HttpClientError(kind)
    this.#failure = kind
    this.#controller?.abort(error)
    // While the request waits for a connection, undici reports nothing.
    this.#reject(error)
  }

  #release(): void {
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

function failLate(exchange: Exchange): void {
  exchange.fail('timeout')
}

/** Removes a byte order mark, and replaces invalid bytes, as `Response.text` does. */
const utf8 = new TextDecoder()

/** System calls that fail before a byte of the request is sent. */
const connecting = new Set(['connect', 'getaddrinfo'])

function kindOf(error: unknown): HttpClientErrorKind {
  const { code = '', syscall = '' } = error as { code?: string; syscall?: string }
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return 'too_large'
  if (code === 'EMFILE' || code === 'ENFILE') return 'no_descriptor'
  const failedToConnect =
    connecting.has(syscall) ||
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    // Every address of the host failed.
    error instanceof AggregateError ||
    // The TLS handshake failed, or the certificate is not trusted.
    /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_|EPROTO)/.test(code)
  return failedToConnect ? 'connect_failed' : 'connection_lost'
}
