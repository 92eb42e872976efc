import { Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { adviceFor } from './advice.ts'
import { createAuthentication } from './auth/create-authentication.ts'
import { realmOf } from './config/realm.ts'
import { errorFields, GatewayError, logLevelFor, toProblem } from './errors.ts'
import { authenticateUser } from './http/authentication.ts'
import { createBeginLimit } from './http/begin-limit.ts'
import { createConcurrencyLimit, limitConcurrency, withPermit } from './http/concurrency-limit.ts'
import { crossOrigin } from './http/cors.ts'
import { createPipeline, type Step } from './http/pipeline.ts'
import { limitRate } from './http/rate-limit.ts'
import { refuseUnknown } from './http/refuse-unknown.ts'
import type { AppEnv, RequestContext } from './http/request-context.ts'
import { readInput } from './http/request-validation.ts'
import { respondJson } from './http/respond.ts'
import type { Execution, Ports } from './ports.ts'
import { docsRoutes } from './routes/docs.ts'
import type { Endpoint, Services } from './routes/endpoint.ts'
import { probes } from './routes/health.ts'
import { endpoints } from './routes/index.ts'
import { CONFIRM_TIMEOUT_MS } from './smh/client.ts'
import { createSmh } from './smh/create-smh.ts'
import { MAX_WAIT_MS } from './smh/transport.ts'
import { createConfirmKeySigner } from './uploads/confirm-key.ts'
import { limitPartLists } from './uploads/part-list-limit.ts'
import { toPublicError } from './uploads/public-error.ts'
import { createTimeBudget } from './uploads/time-budget.ts'

/** How long a body may take to arrive. Bodies are short, so a slower client is stalled or malicious. */
const BODY_TIMEOUT_MS = 30_000

export interface App {
  /** Serves one request. `execution` is for platforms that end with the response, such as Workers. */
  fetch(request: Request, bindings?: object, execution?: Execution): Response | Promise<Response>
  /** Keeps a provided token alive. Must be called about every minute. Never rejects. */
  keepAlive(): Promise<void>
  /**
   * Checks once whether keys and an SMH token are available. Logs `start_check_passed`, or
   * `start_check_failed` with what to fix. Never rejects.
   */
  checkStart(): Promise<void>
}

/** Builds the gateway. It opens no connection and sends no request. */
export function createApp(ports: Ports): App {
  const { config, clock, monotonicClock, log, singleFlight, metrics } = ports
  const timeoutMs = config.upstreamTimeoutSeconds * 1000
  const bodyTimeoutMs = ports.bodyTimeoutMs ?? BODY_TIMEOUT_MS
  const permits = createConcurrencyLimit({
    max: config.maxInFlight,
    servedMs: 3 * timeoutMs + CONFIRM_TIMEOUT_MS,
    waitedMs: Math.max(bodyTimeoutMs, timeoutMs),
    monotonicClock,
    metrics,
  })
  const { keys, authenticate } = createAuthentication(ports, config, timeoutMs, (verify) =>
    withPermit(permits.verified, undefined, verify),
  )
  const smh = createSmh(ports, config, timeoutMs)
  const beginLimit = createBeginLimit(ports.ledger, config.rateLimitPerMinute, monotonicClock)
  const listBudget = createTimeBudget(monotonicClock)
  const services: Services = {
    config,
    clock,
    monotonicClock,
    log,
    singleFlight,
    smh: limitPartLists(smh.client, ports, listBudget),
    ledger: ports.ledger,
    beginLimit,
    listBudget,
    confirmKeys: createConfirmKeySigner(config.confirmKey, realmOf(config)),
    scopes: new WeakMap(),
    async checkReady(limits) {
      try {
        await Promise.all([keys.ready(), smh.tokens.ready(limits, smh.isInDoubt())])
      } catch (error) {
        throw toPublicError(error)
      }
    },
  }

  const servedBy = createPipeline({ log, metrics, respondError })
  const allowOrigins = crossOrigin(config.corsOrigins)

  /** The steps of an operation of users, in the order in which they run. */
  function stepsOf(endpoint: Endpoint): Step[] {
    return [
      allowOrigins,
      startOperation(endpoint),
      authenticateUser(authenticate),
      endpoint.rateLimit === 'begins'
        ? beginLimit.announce
        : limitRate(ports.otherCallsRateLimiter),
      readInput(endpoint.route, permits.received, bodyTimeoutMs),
      limitConcurrency(permits.served),
      handle(endpoint),
    ]
  }

  function startOperation({ route, errors, extraTimeMs }: Endpoint): Step {
    const operation = route.operationId as string
    // A request takes the time of three SMH calls; the last try may start one wait late.
    const budgetMs = 3 * timeoutMs - MAX_WAIT_MS + extraTimeMs
    return (request) => {
      request.operation = operation
      request.errors = errors
      request.deadline = request.startedAt + budgetMs
      return undefined
    }
  }

  function handle(endpoint: Endpoint): Step {
    const respond = endpoint.handle(services)
    return (request) => respond(request, request.input as Parameters<typeof respond>[1]) as Response
  }

  function register({ route }: Endpoint, steps: readonly Step[]): void {
    // OpenAPI writes parameters in braces, Hono after a colon.
    app.on(route.method, route.path.replaceAll(/{(\w+)}/g, ':$1'), servedBy(steps))
  }

  const app = new Hono<AppEnv>()
  for (const probe of probes) register(probe, [startOperation(probe), handle(probe)])
  for (const endpoint of endpoints) register(endpoint, stepsOf(endpoint))
  for (const { path, respond } of docsRoutes(ports.readDocsAsset))
    app.get(path, servedBy([respond]))
  app.notFound(servedBy([allowOrigins, refuseUnknown(app)]))
  // Steps that throw do not come here. This is for bugs in Hono.
  app.onError((error, c) =>
    servedBy([
      () => {
        throw error
      },
    ])(c),
  )

  async function keepAlive(): Promise<void> {
    try {
      await smh.tokens.keepAlive()
    } catch (thrown) {
      const error = toPublicError(thrown)
      // The token still works for hours, but the gateway cannot mint another one.
      log(logLevelFor(error), { event: 'access_token_not_renewed', ...errorFields(error) })
    }
  }

  async function checkStart(): Promise<void> {
    try {
      await services.checkReady({ deadline: performance.now() + 3 * timeoutMs })
      log('info', { event: 'start_check_passed' })
    } catch (error) {
      const fields = errorFields(error)
      log('error', { event: 'start_check_failed', ...fields, advice: adviceFor(fields) })
    }
  }
  return { fetch: app.fetch, keepAlive, checkStart }
}

/** The only place where an error becomes a response. */
function respondError(request: RequestContext, thrown: unknown): Response {
  const error = toPublicError(thrown, request.errors)
  request.error = error
  const problem = toProblem(error, request.id)
  return respondJson(request, problem, problem.status as ContentfulStatusCode, {
    'Content-Type': 'application/problem+json',
    ...(error instanceof GatewayError && error.details.headers),
  })
}
