import type { Context, MiddlewareHandler, TypedResponse } from 'hono'
import type { StatusCode } from 'hono/utils/http-status'
import type { JSONParsed } from 'hono/utils/types'
import type { AppEnv } from './app-env.ts'

/**
 * Gives each request its id, the caller's own where it can go into a log, and settles what every
 * answer to it has in its head: it is not sniffed for another type, and none under /v1 is kept by a
 * cache.
 */
export const beginAnswer: MiddlewareHandler<AppEnv> = function beginAnswer(c, next) {
  const wanted = c.req.header('x-request-id')
  const requestId = wanted && /^[\w\-=]{1,255}$/.test(wanted) ? wanted : crypto.randomUUID()
  c.set('requestId', requestId)
  c.set('answerHeaders', {
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    ...(/^\/v1(\/|$)/.test(c.req.path) && { 'Cache-Control': 'no-store' }),
  })
  return next()
}

/**
 * The one way to an answer. Its headers are a plain object from beginning to end: `c.header` and
 * `c.json` would make `Headers` of them, which @hono/node-server takes apart again.
 *
 * @param headers on top of those that every answer has
 */
export function respond(
  c: Context<AppEnv>,
  body: string | null,
  status: StatusCode,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, { status, headers: { ...c.get('answerHeaders'), ...headers } })
}

/** A body that is encoded already, as its `Content-Encoding` says. workerd would encode it once more. */
export function respondEncoded(
  c: Context<AppEnv>,
  body: Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Response {
  const init = { headers: { ...c.get('answerHeaders'), ...headers }, encodeBody: 'manual' }
  return new Response(body, init)
}

/** An answer in JSON, of a type that is held against what the route declares. */
export function respondJson<Body, Status extends StatusCode>(
  c: Context<AppEnv>,
  body: Body,
  status: Status,
  headers?: Readonly<Record<string, string>>,
) {
  const text = JSON.stringify(body)
  const response = respond(c, text, status, { 'Content-Type': 'application/json', ...headers })
  return response as Response & TypedResponse<JSONParsed<Body>, Status, 'json'>
}

/** An answer that is all said with its status. */
export function respondEmpty<Status extends StatusCode>(c: Context<AppEnv>, status: Status) {
  return respond(c, null, status) as Response & TypedResponse<null, Status, 'body'>
}
