import type { Hono } from 'hono'
import { GatewayError } from '../errors.ts'
import type { AppEnv } from './request-context.ts'

/** Rejects all other methods of the paths registered in `app` so far, with `Allow` (RFC 9110 §15.5.6). */
export function refuseOtherMethods(app: Hono<AppEnv>): void {
  const methods = new Map<string, Set<string>>()
  for (const { path, method } of app.routes) {
    if (method === 'ALL') continue
    const allowed = methods.get(path) ?? methods.set(path, new Set()).get(path)
    allowed?.add(method)
    if (method === 'GET') allowed?.add('HEAD')
  }
  for (const [path, allowed] of methods) {
    app.all(path, () => {
      throw new GatewayError('method_not_allowed', 'This endpoint does not support this method.', {
        headers: { Allow: [...allowed].join(', ') },
      })
    })
  }
}
