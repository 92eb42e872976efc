import type { RouteConfig, RouteHandler } from '@hono/zod-openapi'
import type * as z from 'zod'
import type { User } from '../auth/authenticate.ts'
import type { Config } from '../config/parse.ts'
import type { ErrorCode } from '../error-codes.ts'
import type { BeginLimit } from '../http/begin-limit.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Clock, Log, SingleFlight } from '../ports.ts'
import type { SmhClient } from '../smh/client.ts'
import type { CallLimits } from '../smh/transport.ts'
import type { UploadScope } from '../smh/upload.ts'
import type { ConfirmKeySigner } from '../uploads/confirm-key.ts'
import { resolveScope } from '../uploads/policy.ts'
import type { TimeBudget } from '../uploads/time-budget.ts'
import { problems, rateLimitHeaders } from './openapi-responses.ts'

/** The dependencies of the endpoints. */
export interface Services {
  config: Config
  clock: Clock
  monotonicClock: Clock
  log: Log
  singleFlight: SingleFlight
  smh: SmhClient
  ledger: Ledger
  beginLimit: BeginLimit
  /** Limits the cost of long lists. */
  listBudget: TimeBudget
  confirmKeys: ConfirmKeySigner
  /** The scopes of users with a cached token. They end with the token's place in the cache. */
  scopes: WeakMap<User, UploadScope>
  /** Rejects with the error that prevents uploads. */
  checkReady(limits: CallLimits): Promise<void>
}

/** The valid input of a request to this route. */
interface Input<Route> {
  params: Route extends { request: { params: infer Params extends z.ZodType } }
    ? z.output<Params>
    : undefined
  body: Route extends {
    request: { body: { content: { 'application/json': { schema: infer Body extends z.ZodType } } } }
  }
    ? z.output<Body>
    : undefined
}

/** Serves one request. Its responses are checked against those that the route declares. */
type Handle<Route extends RouteConfig> = (
  request: RequestContext,
  input: Input<Route>,
) => ReturnType<RouteHandler<Route>>

interface EndpointOptions {
  /** The rate limit that counts its requests. Default: `other_calls`. */
  rateLimit?: 'begins' | 'other_calls'
  /** Time that a request may take in addition to three SMH calls, milliseconds. Default: 0. */
  extraTimeMs?: number
}

/** One endpoint: its route in the OpenAPI document, and what makes its handler. */
export interface Endpoint<Route extends RouteConfig = RouteConfig>
  extends Required<EndpointOptions> {
  route: Route
  /** The error codes that it may return. A refusal of SMH with another code becomes `upstream_error`. */
  errors: ReadonlySet<ErrorCode>
  handle(services: Services): Handle<Route>
}

/**
 * Types an endpoint: the handler is checked against the input and the responses of its route.
 *
 * What one endpoint does besides goes round its handler, as a function of its own file: it has the request, its
 * valid input and the response.
 *
 * @param route with the responses of success; those of `errors` are added
 */
export function defineEndpoint<const Route extends RouteConfig>(
  route: Route,
  errors: readonly ErrorCode[],
  handle: Endpoint<Route>['handle'],
  { rateLimit = 'other_calls', extraTimeMs = 0 }: EndpointOptions = {},
): Endpoint<Route> {
  const headers = rateLimit === 'begins' ? rateLimitHeaders : {}
  const responses = { ...withHeaders(route.responses, headers), ...problems(errors, headers) }
  const described = { ...route, responses }
  return { route: described, errors: new Set(errors), rateLimit, extraTimeMs, handle }
}

function withHeaders<Responses extends RouteConfig['responses']>(
  responses: Responses,
  headers: object,
): Responses {
  const all = Object.entries(responses).map(([status, response]) => [
    status,
    { ...response, headers: { ...('headers' in response && response.headers), ...headers } },
  ])
  return Object.fromEntries(all) as Responses
}

/** Resolves the space and folder of the user, once for each verified token that is cached. */
export function scopeOf({ config, scopes }: Services, { user }: RequestContext): UploadScope {
  let scope = scopes.get(user)
  if (!scope) {
    scope = resolveScope(config.smh.space, config.upload, user)
    scopes.set(user, scope)
  }
  return scope
}
