import type { MiddlewareHandler } from 'hono'
import type { AppEnv } from './app-env.ts'
import { isMetadataHeader } from './policy.ts'
import { respond } from './respond.ts'

const allowedMethods = 'GET, POST, DELETE'
const allowedHeaders = ['Authorization', 'Content-Type', 'Idempotency-Key', 'traceparent']
const exposedHeaders = 'Location, Upload-Expires, X-Request-Id, Retry-After, Date'

/** How long a browser may go by a preflight, seconds. */
const MAX_AGE = '600'

/**
 * Lets pages of these origins read answers, and no others (contract §3; Fetch Standard, "HTTP-CORS
 * protocol"). hono/cors can neither allow headers by what is asked for nor do without `Headers`.
 */
export function crossOrigin(origins: ReadonlySet<string>): MiddlewareHandler<AppEnv>[] {
  if (origins.size === 0) return []
  return [
    async function crossOrigin(c, next) {
      const headers = c.get('answerHeaders')
      headers.Vary = 'Origin'
      const origin = c.req.header('origin')
      if (origin !== undefined && origins.has(origin)) {
        headers['Access-Control-Allow-Origin'] = origin
        headers['Access-Control-Expose-Headers'] = exposedHeaders
      }
      if (c.req.method !== 'OPTIONS') return next()
      const asked = (c.req.header('access-control-request-headers') ?? '').split(',')
      const metadata = asked.map((name) => name.trim().toLowerCase()).filter(isMetadataHeader)
      return respond(c, null, 204, {
        Vary: 'Origin, Access-Control-Request-Headers',
        'Access-Control-Allow-Methods': allowedMethods,
        'Access-Control-Allow-Headers': [...allowedHeaders, ...metadata].join(', '),
        'Access-Control-Max-Age': MAX_AGE,
      })
    },
  ]
}
