import type { TypedResponse } from 'hono'
import type { ContentfulStatusCode, StatusCode } from 'hono/utils/http-status'
import type { JSONParsed } from 'hono/utils/types'
import type { RequestContext } from './request-context.ts'

/**
 * A response. Its headers are a plain object from beginning to end: `c.header` builds `Headers`, which
 * @hono/node-server takes apart again (docs/decisions/0005-hono-helpers.md).
 *
 * @param headers on top of those that every response has
 */
export function respond(
  request: RequestContext,
  body: string | null,
  status: StatusCode,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, { status, headers: Object.assign(request.responseHeaders, headers) })
}

/** A body that is already encoded, as its `Content-Encoding` says. workerd would encode it once more. */
export function respondEncoded(
  request: RequestContext,
  body: Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Response {
  const init = { headers: Object.assign(request.responseHeaders, headers), encodeBody: 'manual' }
  return new Response(body, init)
}

/** A response in JSON. Its type is checked against what the route declares. */
export function respondJson<const Body extends object, Status extends ContentfulStatusCode>(
  request: RequestContext,
  body: Body,
  status: Status,
  headers?: Readonly<Record<string, string>>,
): Response & TypedResponse<JSONParsed<Body>, Status, 'json'> {
  request.responseHeaders['Content-Type'] = 'application/json'
  const response = respond(request, JSON.stringify(body), status, headers)
  // The type that Hono infers is too long for a declaration file.
  return response as Response & TypedResponse<JSONParsed<Body>, Status, 'json'>
}

/** A response without a body. */
export function respondEmpty<Status extends StatusCode>(request: RequestContext, status: Status) {
  return respond(request, null, status) as Response & TypedResponse<null, Status, 'body'>
}
