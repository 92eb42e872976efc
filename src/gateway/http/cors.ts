import type { Context, MiddlewareHandler } from 'hono'
import type { LogReason } from '../log-record.ts'
import { isMetadataHeader } from '../name-rules.ts'
import type { AppEnv } from './request-context.ts'
import { respond } from './respond.ts'

const allowedMethods = 'GET, POST, DELETE'
const allowedHeaders = ['Authorization', 'Content-Type', 'Idempotency-Key', 'traceparent']
const allowed = new Set(allowedHeaders.map((name) => name.toLowerCase()))
const exposedHeaders = 'Location, Upload-Expires, X-Request-Id, Retry-After, Date'

/** How long a browser may cache a preflight, in seconds. */
const MAX_AGE = '600'

/**
 * Lets only pages of these origins read responses (Fetch Standard, "HTTP-CORS protocol"). hono/cors cannot
 * allow the metadata headers that a preflight asks for, and it builds `Headers`.
 */
export function crossOrigin(origins: ReadonlySet<string>): MiddlewareHandler<AppEnv>[] {
  if (origins.size === 0) return [noteUnansweredPreflight]
  return [
    async function crossOrigin(c, next) {
      const request = c.get('request')
      const headers = request.responseHeaders
      headers.Vary = 'Origin'
      const origin = c.req.header('origin')
      if (origin !== undefined && origins.has(origin)) {
        headers['Access-Control-Allow-Origin'] = origin
        headers['Access-Control-Expose-Headers'] = exposedHeaders
      }
      if (c.req.method !== 'OPTIONS') return next()
      const asked = (c.req.header('access-control-request-headers') ?? '')
        .split(',')
        .map((name) => name.trim().toLowerCase())
        .filter((name) => name !== '')
      const metadata = asked.filter(isMetadataHeader)
      const refusal = refusalOf(c, origin !== undefined && origins.has(origin), asked)
      if (refusal) request.reason = refusal
      return respond(request, null, 204, {
        Vary: 'Origin, Access-Control-Request-Headers',
        'Access-Control-Allow-Methods': allowedMethods,
        'Access-Control-Allow-Headers': [...allowedHeaders, ...metadata].join(', '),
        'Access-Control-Max-Age': MAX_AGE,
      })
    },
  ]
}

/** The reason why the browser will block the request after this preflight, for the log. */
function refusalOf(
  c: Context<AppEnv>,
  isOriginAllowed: boolean,
  headers: readonly string[],
): LogReason | undefined {
  const method = c.req.header('access-control-request-method')
  if (method === undefined) return undefined
  if (!isOriginAllowed) return 'preflight_origin'
  if (!allowedMethods.split(', ').includes(method)) return 'preflight_method'
  const isAllowed = (name: string) => allowed.has(name) || isMetadataHeader(name)
  return headers.every(isAllowed) ? undefined : 'preflight_header'
}

/** Without `CORS_ORIGINS` a preflight gets the same response as any other OPTIONS request. */
const noteUnansweredPreflight: MiddlewareHandler<AppEnv> = (c, next) => {
  const isPreflight =
    c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined
  if (isPreflight) c.get('request').reason = 'preflight_cors_off'
  return next()
}
