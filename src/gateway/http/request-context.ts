import type { Context, MiddlewareHandler } from 'hono'
import type { User } from '../auth/authenticate.ts'
import type { ErrorCode } from '../error-codes.ts'
import type { LogReason } from '../log-record.ts'
import type { Background } from '../ports.ts'

/** What the gateway keeps in Hono's context: one object for each request. */
export interface AppEnv {
  Bindings: {
    /** From @hono/node-server. Undefined on Workers. */
    incoming?: { headers: object }
    /**
     * Calls back when the response is sent or the connection is closed. Missing on runtimes that do not
     * report it.
     */
    responseClosed?: (done: () => void) => void
  }
  Variables: { request: RequestContext }
}

/**
 * Everything that belongs to one request. The first middleware creates it. Functions receive it as an
 * argument.
 */
export class RequestContext {
  readonly hono: Context<AppEnv>
  /** The value of `X-Request-Id`. */
  readonly id: string
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
  /** For the log: why the request failed although its status is a success. */
  reason: LogReason | undefined
  /** The error of the response. */
  error: unknown
  /** Releases the resources of the request after its response is sent. */
  release: (() => void) | undefined
  #user: User | undefined

  constructor(hono: Context<AppEnv>) {
    this.hono = hono
    const wanted = hono.req.header('x-request-id')
    this.id = wanted && /^[\w\-=]{1,255}$/.test(wanted) ? wanted : crypto.randomUUID()
    this.responseHeaders = {
      'X-Request-Id': this.id,
      'X-Content-Type-Options': 'nosniff',
      ...(/^\/v1(\/|$)/.test(hono.req.path) && { 'Cache-Control': 'no-store' }),
    }
  }

  /** The verified user. */
  get user(): User {
    if (!this.#user) throw new Error('The request has no verified user.')
    return this.#user
  }

  set user(user: User) {
    this.#user = user
  }

  /** Aborts when the client disconnects. */
  get signal(): AbortSignal {
    return this.hono.req.raw.signal
  }

  /**
   * Every header of the request, names in lower case. On Node they come from Node's own request, because
   * iterating those of a `Request` makes @hono/node-server build sorted `Headers`.
   */
  get headers(): Iterable<[name: string, value: string]> {
    // An embedder's server may pass no bindings.
    const { incoming } = this.hono.env ?? {}
    if (!incoming) return this.hono.req.raw.headers
    return Object.entries(incoming.headers) as [string, string][]
  }

  /** Lets work continue after the response. Workers need `waitUntil` for this, Node does not. */
  readonly background: Background = (work) => {
    try {
      this.hono.executionCtx.waitUntil(work)
    } catch {
      // Hono throws where the runtime has no execution context.
    }
  }

  /** Calls `release` when the response is sent, or at once on runtimes that do not report that. */
  releaseAfterResponse(): void {
    const { release } = this
    if (!release) return
    this.release = undefined
    const { responseClosed } = this.hono.env ?? {}
    if (responseClosed) responseClosed(release)
    else release()
  }
}

/** Creates the context of each request. The client's request id is kept if it is safe in a log. */
export const requestContext: MiddlewareHandler<AppEnv> = function requestContext(c, next) {
  c.set('request', new RequestContext(c))
  return next()
}
