import type { Context } from 'hono'
import type { User } from '../auth/authenticate.ts'
import type { ErrorCode } from '../error-codes.ts'
import type { AbortSignalLike } from '../http-client.ts'
import type { LogReason } from '../log-record.ts'
import type { Background } from '../ports.ts'

/** What a server passes to the app with each request. */
export interface AppEnv {
  Bindings: {
    /** From @hono/node-server. Undefined on Workers. */
    incoming?: { headers: Readonly<Record<string, string | string[] | undefined>> }
    /**
     * Calls back when the response is sent or the connection is closed. Missing on runtimes that do not
     * report it.
     */
    responseClosed?: (done: () => void) => void
    /**
     * Reads the whole body. Rejects when the client disconnects before its end. Missing on runtimes whose
     * `Request.arrayBuffer` costs nothing more.
     */
    readBody?: () => Promise<Uint8Array>
  }
}

/** Everything that belongs to one request. Functions receive it as an argument. */
export class RequestContext {
  readonly hono: Context<AppEnv>
  /** The value of `X-Request-Id`. */
  readonly id: string
  /** Whether the path is one of the API's, below `/v1`. */
  readonly isApi: boolean
  /** The start, as a value of `performance.now()`, milliseconds. */
  readonly startedAt = performance.now()
  /** The headers of every response to this request. */
  readonly responseHeaders: Record<string, string>
  /** The id of the matched operation. */
  operation = 'none'
  /** The codes that the operation declares. */
  errors: ReadonlySet<ErrorCode> | undefined
  /** When all work for this request must end, as a value of `performance.now()`, milliseconds. */
  deadline = Number.POSITIVE_INFINITY
  /** The valid input: the parameters of the path, and the body. */
  readonly input: { params?: unknown; body?: unknown } = {}
  /** Whether the ledger has counted the request as a begin. */
  isBeginCounted = false
  /** Called with what a step has thrown. Returns what the response reports, or throws it. */
  onRefused: ((request: RequestContext, error: unknown) => unknown) | undefined
  /** For the log: why the request failed although its status is a success. */
  reason: LogReason | undefined
  /** The error of the response. */
  error: unknown
  #user: User | undefined
  #signal: AbortSignalLike | undefined
  #closed: (() => void)[] | undefined
  #release: (() => void) | undefined
  /** What has not happened yet: the steps have a response, and the response is closed. */
  #unfinished = 2

  constructor(hono: Context<AppEnv>) {
    this.hono = hono
    const wanted = this.header('x-request-id')
    // The client's request id is kept if it is safe in a log.
    this.id = wanted && /^[\w\-=]{1,255}$/.test(wanted) ? wanted : crypto.randomUUID()
    this.isApi = hono.req.path === '/v1' || hono.req.path.startsWith('/v1/')
    this.responseHeaders = {
      'X-Request-Id': this.id,
      'X-Content-Type-Options': 'nosniff',
      ...(this.isApi && { 'Cache-Control': 'no-store' }),
    }
  }

  /** The verified user. */
  get user(): User {
    if (!this.#user) throw new Error('The request has no verified user.')
    return this.#user
  }

  setUser(user: User): undefined {
    this.#user = user
  }

  /** Aborts when the client disconnects, and when the response has been sent. */
  get signal(): AbortSignalLike {
    if (!this.hono.env?.responseClosed) return this.hono.req.raw.signal
    this.#signal ??= new ClosedSignal(this)
    return this.#signal
  }

  /**
   * A header of the request by its lower-case name. On Node it comes from Node's own request: a `Request` of
   * @hono/node-server searches all headers for each name.
   */
  header(name: string): string | undefined {
    const { incoming } = this.hono.env ?? {}
    if (!incoming) return this.hono.req.raw.headers.get(name) ?? undefined
    const value = incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /**
   * The headers of the request whose names start with `prefix`, names in lower case. On Node they come from Node's
   * own request, because iterating those of a `Request` makes @hono/node-server build sorted `Headers`.
   */
  headersStartingWith(prefix: string): [name: string, value: string][] {
    // An embedder's server may pass no bindings.
    const { incoming } = this.hono.env ?? {}
    const names = incoming ? Object.keys(incoming.headers) : [...this.hono.req.raw.headers.keys()]
    return names
      .filter((name) => name.startsWith(prefix))
      .map((name) => [name, this.header(name) ?? ''])
  }

  /** Reads the whole body. Rejects when the client disconnects before its end. */
  readBody(): Promise<ArrayBuffer | Uint8Array> {
    return this.hono.env?.readBody?.() ?? this.hono.req.raw.arrayBuffer()
  }

  /** Lets work continue after the response. Workers need `waitUntil` for this, Node does not. */
  readonly background: Background = (work) => {
    try {
      this.hono.executionCtx.waitUntil(work)
    } catch {
      // Hono throws where the runtime has no execution context.
    }
  }

  /**
   * Calls `done` when the response is sent or the client disconnects. On runtimes that do not report that, calls it
   * when the response is ready.
   */
  onResponseClosed(done: () => void): void {
    this.#closed ??= []
    this.#closed.push(done)
    if (this.#closed.length === 1) this.hono.env?.responseClosed?.(() => this.#close())
  }

  /**
   * Calls `release` when the response is closed and no step is running any more. Work may continue after the client
   * has disconnected.
   */
  onFinished(release: () => void): void {
    this.#release = release
    this.onResponseClosed(() => this.#finish())
  }

  /** Must be called when the response is ready. */
  responseReady(): void {
    if (!this.hono.env?.responseClosed) this.#close()
    this.#finish()
  }

  #close(): void {
    for (const done of this.#closed?.splice(0) ?? []) done()
  }

  #finish(): void {
    this.#unfinished -= 1
    if (this.#unfinished === 0) this.#release?.()
  }
}

/** Aborts when the response is closed. An `AbortSignal` of @hono/node-server costs more than a whole step. */
class ClosedSignal implements AbortSignalLike {
  aborted = false
  readonly #listeners: (() => void)[] = []

  constructor(request: RequestContext) {
    request.onResponseClosed(() => {
      this.aborted = true
      for (const listener of this.#listeners.splice(0)) listener()
    })
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const index = this.#listeners.indexOf(listener)
    if (index !== -1) this.#listeners.splice(index, 1)
  }
}
