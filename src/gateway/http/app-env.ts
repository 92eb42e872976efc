import type { Context } from 'hono'
import type { User } from '../auth/authenticate.ts'
import type { ErrorCode } from '../errors.ts'
import type { Background } from '../ports.ts'

/** What a request carries on its way through the app. */
export interface AppEnv {
  Bindings: {
    /** What @hono/node-server adds to a request; nothing of the kind on Workers. */
    incoming?: { headers: object }
    /** Calls back when the answer has been taken, or nobody is there to take it, where it can be told. */
    responseClosed?: (done: () => void) => void
  }
  Variables: {
    requestId: string
    /** What every answer to this request has in its head, see respond.ts. */
    answerHeaders: Record<string, string>
    /** On the clock of `performance.now()`, milliseconds. */
    startedAt: number
    /** The operation id of the matched endpoint. */
    operation: string
    user: User
    /** For the log: why the request will not have the effect that its status promises. */
    reason: string
    /** The codes that the matched endpoint may answer with. */
    errors: ReadonlySet<ErrorCode>
  }
}

/** Work that outlives the request: on Workers the platform has to be told, Node needs nothing. */
export function backgroundOf(c: Context<AppEnv>): Background {
  return (work) => {
    try {
      c.executionCtx.waitUntil(work)
    } catch {
      // Hono throws where the runtime has no execution context.
    }
  }
}

/**
 * Every header of the request, names in lower case. On Node from Node itself: to walk through those of a
 * `Request` has @hono/node-server build `Headers`, in order, for the few that count.
 */
export function headersOf(c: Context<AppEnv>): Iterable<[name: string, value: string]> {
  // Whoever serves `fetch` by a server of their own hands over no bindings at all.
  const { incoming } = c.env ?? {}
  if (!incoming) return c.req.raw.headers
  return Object.entries(incoming.headers) as [string, string][]
}
