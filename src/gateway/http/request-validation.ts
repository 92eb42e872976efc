import type { RouteConfig } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import type * as z from 'zod'
import { type FieldIssue, GatewayError } from '../errors.ts'
import type { Permits } from './permits.ts'
import type { Step } from './pipeline.ts'
import type { RequestContext } from './request-context.ts'

/** Maximum size of a request body, bytes. All endpoints take short JSON. */
const MAX_BODY_BYTES = 64 * 1024

/** Maximum number of issues in one response. A body can cause thousands. */
const MAX_REPORTED_ISSUES = 20

/**
 * Checks the input of a request against the schemas of its route, which also generate the OpenAPI document.
 * A body is short JSON in UTF-8. An empty body counts as no body if the body is optional. Reading a body
 * takes a permit.
 *
 * Throws GatewayErrors: `overloaded`, `request_too_large`, `unsupported_media_type`, and otherwise
 * `invalid_request` with the invalid fields, or when the body does not arrive within `bodyTimeoutMs`.
 *
 * zod-openapi's validator costs more: further steps, zod's asynchronous parser without compiled checks, and
 * lenient UTF-8.
 */
export function readInput(route: RouteConfig, received: Permits, bodyTimeoutMs: number): Step {
  const params = route.request?.params as z.ZodType<object> | undefined
  const json = route.request?.body?.content['application/json'] as
    | { schema: z.ZodType<object> }
    | undefined
  function readParams({ hono, input }: RequestContext): undefined {
    if (params) input.params = parse(params, hono.req.param())
  }
  if (!json) return readParams
  return async (request) => {
    readParams(request)
    const permit = received.acquire(request.user.id)
    try {
      const type = mediaTypeOf(request)
      const bytes = await readBytes(request, bodyTimeoutMs)
      if (!type && bytes.byteLength > 0) throw unsupportedMediaType()
      request.input.body = parse(json.schema, parseJson(bytes))
      return undefined
    } finally {
      received.release(permit)
    }
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = schema.safeParse(value)
  if (success) return data
  throw new GatewayError('invalid_request', 'The request is invalid.', {
    errors: error.issues.flatMap(toFieldIssues).slice(0, MAX_REPORTED_ISSUES),
  })
}

function toFieldIssues(issue: z.core.$ZodIssue): FieldIssue[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: [...issue.path, key].join('.'),
      message: 'is unknown',
    }))
  }
  return [{ field: issue.path.join('.') || 'body', message: issue.message }]
}

/**
 * The `Content-Type`, if there is one.
 *
 * @throws GatewayError `unsupported_media_type` for other types than JSON, and for an encoded body
 */
function mediaTypeOf(request: RequestContext): string | undefined {
  const type = request.header('content-type')
  if (type && !isJson(type)) throw unsupportedMediaType()
  const coding = request.header('content-encoding')?.toLowerCase() ?? 'identity'
  if (coding !== 'identity') throw unsupportedMediaType()
  return type
}

/** @throws GatewayError `invalid_request` */
function parseJson(bytes: Bytes): unknown {
  const text = decodeUtf8(bytes)
  // Many HTTP clients send `Content-Type: application/json` without a body, too.
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new GatewayError('invalid_request', 'The body is not valid JSON.')
  }
}

function isJson(type: string): boolean {
  return /^\s*application\/json\s*(?:;|$)/i.test(type)
}

function unsupportedMediaType(): GatewayError {
  return new GatewayError(
    'unsupported_media_type',
    'Send JSON, as application/json and without Content-Encoding.',
  )
}

type Bytes = ArrayBuffer | Uint8Array

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** `Request.text` would replace invalid bytes by U+FFFD, also in names. */
function decodeUtf8(bytes: Bytes): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new GatewayError('invalid_request', 'The body is not UTF-8.')
  }
}

/**
 * Reads the body. The app has its own timeout, because Workers have none for bodies.
 *
 * @throws GatewayError `request_too_large`; `invalid_request` when the client disconnects, or when the body
 *   has not arrived in time
 */
function readBytes(request: RequestContext, timeoutMs: number): Promise<Bytes> {
  const length = request.header('content-length')
  const hasLength = length !== undefined && request.header('transfer-encoding') === undefined
  // HTTP limits a body to its Content-Length.
  if (hasLength && Number(length) > MAX_BODY_BYTES) tooLarge()
  const arriving: Promise<Bytes> = hasLength ? request.readBody() : readCounting(request.hono)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(tooLate()), timeoutMs)
    arriving.then(
      (bytes) => {
        clearTimeout(timer)
        resolve(bytes)
      },
      (error) => {
        clearTimeout(timer)
        reject(error instanceof GatewayError ? error : incomplete())
      },
    )
  })
}

/** The client has disconnected: not an error of the gateway. */
function incomplete(): GatewayError {
  return new GatewayError('invalid_request', 'The body is incomplete.', {
    reason: 'client_disconnected',
  })
}

/** The connection is closed. Otherwise the rest of the body would be read as the next request. */
function tooLate(): GatewayError {
  return new GatewayError('invalid_request', 'The body did not arrive in time.', {
    reason: 'body_timeout',
    headers: { Connection: 'close' },
  })
}

/**
 * Used only for bodies without a Content-Length, because @hono/node-server builds a whole `Request` for it.
 */
async function readCounting(c: RequestContext['hono']): Promise<ArrayBuffer> {
  let bytes = new ArrayBuffer(0)
  await limit(c, async () => {
    bytes = await c.req.arrayBuffer()
  })
  return bytes
}

const limit = bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge })

function tooLarge(): never {
  throw new GatewayError('request_too_large', `The body exceeds ${MAX_BODY_BYTES} bytes.`)
}
