import type { RequestContext } from './request-context.ts'

/**
 * One step of an operation. It ends the request with a response or by throwing; otherwise the next step
 * runs. A step is synchronous where it can be, because each promise costs time.
 */
export type Step = (request: RequestContext) => undefined | Response | Promise<undefined | Response>

/** Runs the steps in order, until one responds. Then frees what the request holds. */
export async function runSteps(steps: readonly Step[], request: RequestContext): Promise<Response> {
  try {
    for (const step of steps) {
      const result = step(request)
      const response = result instanceof Promise ? await result : result
      if (response) return response
    }
    throw new Error('No step returned a response.')
  } finally {
    request.releaseAfterResponse()
  }
}
