import type { Context } from 'hono'
import type { User } from './authenticate.ts'
import type { Background } from './deps.ts'
import type { ErrorCode } from './errors.ts'

/** What a request carries on its way through the app. */
export interface AppEnv {
  Variables: {
    requestId: string
    /** On the clock of `performance.now()`, milliseconds. */
    startedAt: number
    /** The operation id of the matched endpoint. */
    operation: string
    user: User
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
