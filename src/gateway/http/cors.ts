import type { LogReason } from '../log-record.ts'
import { isMetadataHeader } from '../name-rules.ts'
import type { Step } from './pipeline.ts'
import type { RequestContext } from './request-context.ts'
import { respond } from './respond.ts'

const allowedMethods = 'GET, POST, DELETE'
const allowedHeaders = ['Authorization', 'Content-Type', 'Idempotency-Key', 'traceparent']
const allowed = new Set(allowedHeaders.map((name) => name.toLowerCase()))
const exposedHeaders =
  'Location, Upload-Expires, X-Request-Id, Retry-After, Date, RateLimit, RateLimit-Policy'

/** How long a browser may cache a preflight, in seconds. */
const MAX_AGE = '600'

/**
 * Lets only pages of these origins read responses of `/v1` (Fetch Standard, "HTTP-CORS protocol"), and responds
 * to preflights. hono/cors cannot allow the metadata headers that a preflight asks for, and it builds `Headers`.
 */
export function crossOrigin(origins: ReadonlySet<string>): Step {
  if (origins.size === 0) return noteUnansweredPreflight
  return (request) => {
    if (!request.isApi) return undefined
    const headers = request.responseHeaders
    headers.Vary = 'Origin'
    const origin = request.header('origin')
    const isAllowed = origin !== undefined && origins.has(origin)
    if (isAllowed) {
      headers['Access-Control-Allow-Origin'] = origin
      headers['Access-Control-Expose-Headers'] = exposedHeaders
    }
    return request.hono.req.method === 'OPTIONS' ? preflight(request, isAllowed) : undefined
  }
}

function preflight(request: RequestContext, isOriginAllowed: boolean): Response {
  const asked = (request.header('access-control-request-headers') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  const metadata = asked.filter(isMetadataHeader)
  request.reason = refusalOf(request, isOriginAllowed, asked)
  return respond(request, null, 204, {
    Vary: 'Origin, Access-Control-Request-Headers',
    'Access-Control-Allow-Methods': allowedMethods,
    'Access-Control-Allow-Headers': [...allowedHeaders, ...metadata].join(', '),
    'Access-Control-Max-Age': MAX_AGE,
  })
}

/** The reason why the browser will block the request after this preflight, for the log. */
function refusalOf(
  request: RequestContext,
  isOriginAllowed: boolean,
  headers: readonly string[],
): LogReason | undefined {
  const method = request.header('access-control-request-method')
  if (method === undefined) return undefined
  if (!isOriginAllowed) return 'preflight_origin'
  if (!allowedMethods.split(', ').includes(method)) return 'preflight_method'
  const isAllowed = (name: string) => allowed.has(name) || isMetadataHeader(name)
  return headers.every(isAllowed) ? undefined : 'preflight_header'
}

/** Without `CORS_ORIGINS` a preflight gets the same response as any other OPTIONS request. */
const noteUnansweredPreflight: Step = (request) => {
  const isPreflight =
    request.isApi &&
    request.hono.req.method === 'OPTIONS' &&
    request.header('access-control-request-method') !== undefined
  if (isPreflight) request.reason = 'preflight_cors_off'
  return undefined
}
