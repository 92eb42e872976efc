import { cosError } from './cos-errors.ts'
import type { Incoming } from './http-server.ts'
import type { State } from './state.ts'

const METHODS = ['PUT', 'POST', 'GET', 'HEAD']
const EXPOSED = 'ETag, x-cos-hash-crc64ecma, x-cos-request-id, Date'

/**
 * CORS headers of the bucket's only rule (docs/smh-protocol.md#12). None for an origin without a
 * rule.
 */
export function corsHeaders(state: State, request: Incoming): Record<string, string> {
  const origin = request.headers.origin
  const listed: Record<string, string> = state.corsOrigins.includes('*') ? {} : { Vary: 'Origin' }
  if (origin === undefined || !isAllowed(state, origin)) return listed
  const requested = request.headers['access-control-request-headers']
  return {
    ...listed,
    'Access-Control-Allow-Origin': state.corsOrigins.includes('*') ? '*' : origin,
    'Access-Control-Expose-Headers': EXPOSED,
    ...(request.method === 'OPTIONS' && {
      'Access-Control-Allow-Methods': METHODS.join(', '),
      ...(requested !== undefined && { 'Access-Control-Allow-Headers': requested }),
      'Access-Control-Max-Age': '600',
    }),
  }
}

/**
 * Answers a preflight: 403 `AccessForbidden` without a rule
 * (https://cloud.tencent.com/document/product/436/8288).
 */
export function checkPreflight(state: State, request: Incoming): void {
  const origin = request.headers.origin
  const method = request.headers['access-control-request-method'] ?? ''
  if (origin === undefined || !isAllowed(state, origin) || !METHODS.includes(method)) {
    throw cosError('AccessForbidden')
  }
}

function isAllowed(state: State, origin: string): boolean {
  return state.corsOrigins.includes('*') || state.corsOrigins.includes(origin)
}
