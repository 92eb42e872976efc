import type { RouteConfig } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { AppEnv } from './app-env.ts'
import { GatewayError } from './errors.ts'

/** The largest request body, bytes (contract §3). */
const MAX_BODY_BYTES = 64 * 1024

/**
 * What reads the body of a route before it is validated: nothing for a route without one. Bodies are
 * short JSON in UTF-8, and where they may be left out an empty one is none.
 *
 * The middleware throws GatewayErrors: `request_too_large`, `unsupported_media_type`, and
 * `invalid_request` for a body that breaks off or is not UTF-8.
 */
export function readBody(route: RouteConfig): MiddlewareHandler<AppEnv>[] {
  const body = route.request?.body
  if (!body) return []

  async function decodeBody(c: Context<AppEnv>, next: () => Promise<void>) {
    const type = c.req.header('content-type')
    // Without a type there must be no body, which zod-openapi sees to; filling the cache would look
    // like a body.
    if (type) {
      // zod-openapi takes every `application/…+json` for it.
      if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
        throw unsupportedMediaType()
      }
      const text = decodeUtf8(await c.req.arrayBuffer())
      // Many HTTP clients send `Content-Type: application/json` whether there is a body or not.
      const said = !body?.required && text.trim() === '' ? '{}' : text
      // The cache holds promises, whatever its type says.
      c.req.bodyCache.text = Promise.resolve(said) as never
    }
    await next()
  }
  return [orBrokenOff(limitBody), orBrokenOff(decodeBody)]
}

function tooLarge(): never {
  throw new GatewayError('request_too_large', `A body may have ${MAX_BODY_BYTES} bytes.`)
}

const limitAsItArrives = bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge })

/**
 * What says its length is held to it by HTTP itself. Only the rest is counted: to look at a body makes
 * @hono/node-server build a whole `Request`, which costs as much as all else that a begin does.
 */
const limitBody: MiddlewareHandler<AppEnv> = async function limitBody(c, next) {
  const length = c.req.header('content-length')
  const isTold = length !== undefined && c.req.header('transfer-encoding') === undefined
  if (!isTold) return limitAsItArrives(c, next)
  return Number(length) <= MAX_BODY_BYTES ? next() : tooLarge()
}

export function unsupportedMediaType(): GatewayError {
  return new GatewayError('unsupported_media_type', 'Send JSON, as application/json.')
}

/** What `Request.text` would do with other bytes is to make names of U+FFFD of them. */
function decodeUtf8(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new GatewayError('invalid_request', 'The body is not UTF-8.')
  }
}

/** A body whose sender leaves half-way is the caller's doing: no error of ours, and no alarm. */
function orBrokenOff(read: MiddlewareHandler<AppEnv>): MiddlewareHandler<AppEnv> {
  return async function readOrBrokenOff(c, next) {
    try {
      return await read(c, next)
    } catch (error) {
      // What comes after `next` does not get here: Hono answers errors where they are thrown.
      if (error instanceof GatewayError) throw error
      throw new GatewayError('invalid_request', 'The body broke off.', { reason: 'caller_left' })
    }
  }
}
