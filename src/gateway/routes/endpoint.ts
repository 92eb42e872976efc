import type { RouteConfig, RouteHandler } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Config } from '../config/parse.ts'
import { type ErrorCode, uploadNotFound } from '../errors.ts'
import type { AppEnv } from '../http/app-env.ts'
import type { Clock, Log, SingleFlight } from '../ports.ts'
import type { SmhClient } from '../smh/client.ts'
import { type Bounds, MAX_WAIT_MS } from '../smh/transport.ts'
import type { ConfirmKeyBinding, OwnedUpload } from '../uploads/confirm-key.ts'
import { type Place, placeOf } from '../uploads/policy.ts'
import { problems } from './openapi-responses.ts'

/** What the endpoints work with. */
export interface Services {
  config: Config
  clock: Clock
  monotonicClock: Clock
  log: Log
  singleFlight: SingleFlight
  smh: SmhClient
  binding: ConfirmKeyBinding
  /** Rejects with what keeps uploads from beginning. */
  checkReady(bounds: Bounds): Promise<void>
}

/** One endpoint: its place in the OpenAPI document, and what makes its handler. */
export interface Endpoint<Route extends RouteConfig = RouteConfig> {
  route: Route
  /** The codes it may answer with. SMH may come up with others; they become `upstream_error`. */
  errors: ReadonlySet<ErrorCode>
  /** The rate limit that counts its calls. */
  rateLimit: 'begins' | 'other_calls'
  handle(services: Services): RouteHandler<Route, AppEnv>
}

/**
 * Types a file's endpoint: the handler is checked against the answers its route declares.
 *
 * @param route with the answers of success; those of `errors` are added
 * @param rateLimit the limit that counts its calls; without one those of all endpoints but begins
 */
export function defineEndpoint<const Route extends RouteConfig>(
  route: Route,
  errors: readonly ErrorCode[],
  handle: Endpoint<Route>['handle'],
  rateLimit: Endpoint['rateLimit'] = 'other_calls',
): Endpoint<Route> {
  const responses = { ...route.responses, ...problems(errors) }
  return { route: { ...route, responses }, errors: new Set(errors), rateLimit, handle }
}

/** Where the files of the caller live. */
export function placeOfCaller(services: Services, c: Context<AppEnv>): Place {
  const { smh, upload } = services.config
  return placeOf(smh.space, upload, c.get('user'))
}

/**
 * The upload that the path names, when it is the caller's.
 *
 * @throws GatewayError the one `upload_not_found` for every key that is not
 */
export function ownedUpload(
  services: Services,
  c: Context<AppEnv>,
  confirmKey: string,
): OwnedUpload {
  const place = placeOfCaller(services, c)
  const upload = services.binding.open(place, confirmKey, services.clock())
  if (!upload) throw uploadNotFound({ reason: 'confirm_key' })
  return upload
}

/** A request takes at most three SMH calls' time (contract §3); a try may start one wait late. */
export function boundsOf(services: Services, c: Context<AppEnv>, extraMs = 0): Bounds {
  const budgetMs = 3 * services.config.upstreamTimeoutSeconds * 1000 - MAX_WAIT_MS + extraMs
  return { endsAt: c.get('startedAt') + budgetMs, signal: c.req.raw.signal }
}
