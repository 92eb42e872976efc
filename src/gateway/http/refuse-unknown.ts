import type { Hono } from 'hono'
import { GatewayError } from '../errors.ts'
import type { Step } from './pipeline.ts'
import type { AppEnv } from './request-context.ts'

/**
 * Refuses a request that has no endpoint: with `not_found`, or with `method_not_allowed` and `Allow` when the path
 * has other methods (RFC 9110 §15.5.6).
 */
export function refuseUnknown(app: Hono<AppEnv>): Step {
  return ({ hono }) => {
    const allowed = methodsOf(app, hono.req.path)
    if (allowed.length === 0) throw new GatewayError('not_found', 'No such endpoint.')
    throw new GatewayError('method_not_allowed', 'This endpoint does not support this method.', {
      headers: { Allow: allowed.join(', ') },
    })
  }
}

/** The methods that the path has. Hono responds to HEAD as to GET. */
function methodsOf(app: Hono<AppEnv>, path: string): string[] {
  const methods = new Set(app.routes.map(({ method }) => method))
  return [...methods]
    .filter((method) => app.router.match(method, path)[0].length > 0)
    .flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method))
}
