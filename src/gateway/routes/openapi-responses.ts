import type * as z from 'zod'
import { type ErrorCode, problemSchema, statusOf } from '../errors.ts'
import { confirmKeyExample, storedFile } from './schemas.ts'

const requestId = {
  'X-Request-Id': {
    description: "Identifies this request in the gateway's log.",
    schema: { type: 'string' as const },
  },
}

const retryAfter = {
  'Retry-After': {
    description: 'Seconds to wait.',
    schema: { type: 'integer' as const, format: 'int32' },
  },
}

/** Headers of an operation that begins uploads. Missing when the rate is not limited. */
export const rateLimitHeaders = {
  'RateLimit-Policy': {
    description:
      'The limit of begins (draft-ietf-httpapi-ratelimit-headers): at most `q` at once and in `w` seconds.',
    schema: { type: 'string' as const },
    example: '"begins";q=120;w=60',
  },
  RateLimit: {
    description: 'The user may begin `r` uploads now. The number grows in `t` seconds.',
    schema: { type: 'string' as const },
    example: '"begins";r=119;t=1',
  },
}

const wwwAuthenticate = {
  'WWW-Authenticate': { description: 'RFC 6750 §3.', schema: { type: 'string' as const } },
}

/** Headers of a response with credentials. */
const ofCredentials = {
  'Upload-Expires': {
    description: 'When the credentials expire (HTTP date). Renew them before that time.',
    schema: { type: 'string' as const },
    example: 'Mon, 09 Mar 2026 13:22:33 GMT',
  },
  Location: {
    description: 'Path of the upload.',
    schema: { type: 'string' as const },
    example: `/v1/uploads/${confirmKeyExample}`,
  },
}

/** OpenAPI links to the later operations. `confirmKey` is the location of the key in the response. */
function laterCalls(confirmKey: string) {
  return Object.fromEntries(
    ['getUpload', 'renewUpload', 'completeUpload', 'abortUpload'].map((operationId) => [
      operationId,
      { operationId, parameters: { confirmKey: `$response.body#${confirmKey}` } },
    ]),
  )
}

export function credentialsResponse<Schema extends z.ZodType>(description: string, schema: Schema) {
  return {
    description,
    headers: { ...requestId, ...ofCredentials },
    content: { 'application/json': { schema } },
    links: laterCalls('/confirmKey'),
  }
}

/** The response of an instant upload. Its headers are present when it has credentials. */
export function instantUploadResponse<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
) {
  return {
    description,
    headers: { ...requestId, ...ofCredentials },
    content: { 'application/json': { schema } },
    links: laterCalls('/credentials/confirmKey'),
  }
}

export function jsonResponse<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, headers: requestId, content: { 'application/json': { schema } } }
}

export const storedFileResponse = (description: string) => jsonResponse(description, storedFile)

export function emptyResponse(description: string) {
  return { description, headers: requestId }
}

/** The codes of every operation under /v1. Each operation adds further codes. */
export const uploadErrors = [
  'invalid_request',
  'missing_token',
  'invalid_token',
  'insufficient_scope',
  'not_permitted',
  'rate_limited',
  'internal_error',
  'upstream_error',
  'overloaded',
  'upstream_unavailable',
  'upstream_timeout',
] as const satisfies ErrorCode[]

/**
 * The error responses with these codes, by status, and `default` for codes of later versions.
 *
 * @param headers those of every error of a user whose token is valid
 */
export function problems(codes: readonly ErrorCode[], headers: object = {}) {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    byStatus.set(statusOf[code], [...(byStatus.get(statusOf[code]) ?? []), code])
  }
  const known = Object.fromEntries(
    [...byStatus].map(([status, codesOfStatus]) => [
      status,
      {
        description: codesOfStatus.map((code) => `\`${code}\``).join(', '),
        headers: {
          ...requestId,
          ...((status === 429 || status === 503 || codesOfStatus.includes('request_in_progress')) &&
            retryAfter),
          ...(status !== 401 && headers),
          ...((status === 401 || codesOfStatus.includes('insufficient_scope')) && wwwAuthenticate),
        },
        content: { 'application/problem+json': { schema: problemSchema } },
      },
    ]),
  )
  return {
    ...known,
    default: {
      description: 'Any other error.',
      headers: requestId,
      content: { 'application/problem+json': { schema: problemSchema } },
    },
  }
}
