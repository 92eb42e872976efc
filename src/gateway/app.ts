import { type Context, type Handler, Hono } from 'hono'
import type { StatusCode } from 'hono/utils/http-status'
import { adviceFor } from './advice.ts'
import { createAuthenticate } from './auth/authenticate.ts'
import { watchAuthentication } from './auth/authentication-watch.ts'
import { createIssuerKeys } from './auth/issuer-keys.ts'
import { rememberUsers } from './auth/token-cache.ts'
import { GatewayError, toProblem } from './errors.ts'
import { errorFields, logLevelFor, observe } from './http/access-log.ts'
import { type AppEnv, backgroundOf } from './http/app-env.ts'
import { limitInFlight } from './http/concurrency-limit.ts'
import { crossOrigin } from './http/cors.ts'
import { validInput } from './http/request-validation.ts'
import { beginAnswer, respondJson } from './http/respond.ts'
import type { Execution, Ports } from './ports.ts'
import { registerDocs } from './routes/docs.ts'
import type { Endpoint, Services } from './routes/endpoint.ts'
import { probes } from './routes/health.ts'
import { endpoints } from './routes/index.ts'
import { createAccessTokens } from './smh/access-tokens.ts'
import { createCircuit } from './smh/circuit.ts'
import { CONFIRM_TIMEOUT_MS, createSmhClient } from './smh/client.ts'
import { createRetryBudget } from './smh/retry-budget.ts'
import { createCallSmh } from './smh/transport.ts'
import { createConfirmKeyBinding } from './uploads/confirm-key.ts'
import { limitPartLists } from './uploads/part-list-limit.ts'
import { toPublicError } from './uploads/public-error.ts'

/** How long a body may take to arrive. Bodies are short, so a slower client is stuck or hostile. */
const BODY_TIMEOUT_MS = 30_000

export interface App {
  /** Answers one request. `execution` is for platforms that end with the response, such as Workers. */
  fetch(request: Request, bindings?: object, execution?: Execution): Response | Promise<Response>
  /** Keeps a token alive that was made elsewhere; to be called every minute or so. Never rejects. */
  keepAlive(): Promise<void>
  /**
   * Checks once whether keys and an SMH token can be had. Logs `start_check_passed`, or
   * `start_check_failed` with what to fix. Never rejects.
   */
  checkStart(): Promise<void>
}

/** Builds the gateway of its parts. Opens nothing and calls nobody. */
export function createApp(ports: Ports): App {
  const { config, clock, monotonicClock, log, singleFlight, metrics } = ports
  const timeoutMs = config.upstreamTimeoutSeconds * 1000
  const circuit = createCircuit({ monotonicClock, log, metrics, trialMs: 3 * timeoutMs })
  const callSmh = circuit.guard(
    createCallSmh(
      config.smh.endpoint,
      timeoutMs,
      ports.httpClient,
      metrics,
      createRetryBudget(monotonicClock),
    ),
  )
  const tokens = createAccessTokens({ ...config, callSmh, monotonicClock, singleFlight, timeoutMs })
  const keys = createIssuerKeys({
    jwt: config.jwt,
    httpClient: ports.httpClient,
    monotonicClock,
    singleFlight,
    log,
    timeoutMs,
    maxInFlight: config.maxInFlight,
  })
  const bodyTimeoutMs = ports.bodyTimeoutMs ?? BODY_TIMEOUT_MS
  const inFlight = limitInFlight({
    max: config.maxInFlight,
    servedMs: 3 * timeoutMs + CONFIRM_TIMEOUT_MS,
    waitedMs: Math.max(bodyTimeoutMs, timeoutMs),
    monotonicClock,
    metrics,
  })
  const authenticate = watchAuthentication({
    authenticate: rememberUsers({
      authenticate: inFlight.verifying(createAuthenticate({ jwt: config.jwt, keys, clock })),
      keys,
      clock,
      monotonicClock,
      seconds: config.jwt.cacheSeconds,
    }),
    monotonicClock,
    log,
    metrics,
  })
  const services: Services = {
    config,
    clock,
    monotonicClock,
    log,
    singleFlight,
    smh: limitPartLists(createSmhClient(config.smh.libraryId, tokens, callSmh), ports),
    binding: createConfirmKeyBinding(config.confirmKey, [
      config.jwt.issuer,
      config.jwt.userClaim,
      config.smh.libraryId,
    ]),
    async checkReady(bounds) {
      try {
        await Promise.all([keys.ready(), tokens.ready(bounds, circuit.isInDoubt())])
      } catch (error) {
        throw toPublicError(error)
      }
    },
  }

  const app = new Hono<AppEnv>()
  app.onError(answerError)
  // Answered here, not thrown: Hono would take the error past the middleware that hardens answers.
  app.notFound((c) =>
    answerError(new GatewayError('not_found', 'There is nothing at this address.'), c),
  )
  app.use(beginAnswer, observe(log, metrics))
  app.use('/v1/*', ...crossOrigin(config.corsOrigins))

  for (const endpoint of probes) {
    register(app, endpoint, endpoint.handle(services) as Handler<AppEnv>)
  }
  for (const endpoint of endpoints) {
    const readInput = validInput(endpoint.route, bodyTimeoutMs)
    const limitRate = rateLimitOf(ports, endpoint)
    const hasBody = endpoint.route.request?.body !== undefined
    const handle = endpoint.handle(services) as Handler<AppEnv>
    register(app, endpoint, async (c, next) => {
      const user = await authenticate(c.req.header('authorization'), backgroundOf(c))
      c.set('user', user)
      await limitRate(user.id)
      if (hasBody) await inFlight.receiving(user.id, () => readInput(c))
      else await readInput(c)
      return inFlight.serving(c, user.id, async () => handle(c, next))
    })
  }
  registerDocs(app, ports.readDocsAsset)
  refuseOtherMethods(app)

  async function keepAlive(): Promise<void> {
    try {
      await tokens.keepAlive()
    } catch (thrown) {
      const error = toPublicError(thrown)
      // Hours may pass before the token dies of it, and nobody here can make another.
      log(logLevelFor(error), { event: 'access_token_not_renewed', ...errorFields(error) })
    }
  }

  async function checkStart(): Promise<void> {
    try {
      await services.checkReady({ endsAt: performance.now() + 3 * timeoutMs })
      log('info', { event: 'start_check_passed' })
    } catch (error) {
      const fields = errorFields(error)
      log('error', { event: 'start_check_failed', ...fields, advice: adviceFor(fields) })
    }
  }
  return { fetch: app.fetch, keepAlive, checkStart }
}

/** Refuses the call of a user with GatewayError `rate_limited` once there are too many. */
function rateLimitOf(ports: Ports, { rateLimit }: Endpoint): (userId: string) => Promise<void> {
  const [limiter, detail] =
    rateLimit === 'begins'
      ? [ports.beginRateLimiter, 'Too many uploads begun within a short time.']
      : [ports.otherCallsRateLimiter, 'Too many requests within a short time.']
  return async (userId) => {
    const waitSeconds = await limiter.consume(userId)
    if (waitSeconds === 0) return
    throw new GatewayError('rate_limited', detail, {
      headers: { 'Retry-After': String(waitSeconds) },
    })
  }
}

function register(app: Hono<AppEnv>, { route, errors }: Endpoint, answer: Handler<AppEnv>): void {
  // OpenAPI writes parameters in braces, Hono after a colon.
  const path = route.path.replaceAll(/{(\w+)}/g, ':$1')
  app.on(route.method, path, (c, next) => {
    c.set('operation', route.operationId as string)
    c.set('errors', errors)
    return answer(c, next)
  })
}

/** The one place where an error becomes an answer. */
function answerError(thrown: Error, c: Context<AppEnv>): Response {
  const error = toPublicError(thrown, c.get('errors'))
  c.error = error
  const problem = toProblem(error, c.get('requestId'))
  return respondJson(c, problem, problem.status as StatusCode, {
    'Content-Type': 'application/problem+json',
    ...(error instanceof GatewayError && error.details.headers),
  })
}

/** A path that exists is not to be had by another method (RFC 9110 §15.5.6). */
function refuseOtherMethods(app: Hono<AppEnv>): void {
  const methods = new Map<string, Set<string>>()
  for (const { path, method } of app.routes) {
    if (method === 'ALL') continue
    const allowed = methods.get(path) ?? methods.set(path, new Set()).get(path)
    allowed?.add(method)
    if (method === 'GET') allowed?.add('HEAD')
  }
  for (const [path, allowed] of methods) {
    app.all(path, () => {
      throw new GatewayError('method_not_allowed', 'This address does not know this method.', {
        headers: { Allow: [...allowed].join(', ') },
      })
    })
  }
}
