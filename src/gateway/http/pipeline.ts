import type { Context } from 'hono'
import type { Log, Metrics } from '../ports.ts'
import { recordAccess } from './access-log.ts'
import { type AppEnv, RequestContext } from './request-context.ts'

/**
 * One step of a request. It ends the request with a response or by throwing; otherwise the next step runs. A
 * step is synchronous where it can be, because each promise costs time and memory.
 */
export type Step = (request: RequestContext) => undefined | Response | Promise<undefined | Response>

/** Serves one request of Hono by its steps. Never rejects. */
export type Serve = (c: Context<AppEnv>) => Promise<Response>

/**
 * Creates the function that makes a handler of steps. The handler creates the context of a request, runs the
 * steps in order until one responds, frees what the request holds, and writes the log line.
 *
 * @param deps.respondError turns what a step throws into a response
 */
export function createPipeline(deps: {
  log: Log
  metrics: Metrics
  respondError: (request: RequestContext, error: unknown) => Response
}): (steps: readonly Step[]) => Serve {
  const { log, metrics, respondError } = deps
  return (steps) =>
    async function serve(c) {
      const request = new RequestContext(c)
      let response: undefined | Response
      try {
        for (const step of steps) {
          const result = step(request)
          response = result instanceof Promise ? await result : result
          if (response) break
        }
        if (!response) throw new Error('No step returned a response.')
      } catch (error) {
        response = respondError(request, await refusalOf(request, error))
      }
      request.responseReady()
      recordAccess(request, response.status, log, metrics)
      return response
    }
}

/** The error to report: the request's `onRefused` may replace it. */
async function refusalOf(request: RequestContext, error: unknown): Promise<unknown> {
  try {
    return request.onRefused ? await request.onRefused(request, error) : error
  } catch (other) {
    return other
  }
}
