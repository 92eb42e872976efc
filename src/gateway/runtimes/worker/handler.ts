import { type App, createApp } from '../../app.ts'
import { ConfigurationError, parseConfig, unknownVariables } from '../../config/parse.ts'
import { realmOf } from '../../config/realm.ts'
import { GatewayError, toProblem } from '../../errors.ts'
import { createFallbackLedger } from '../../ledger/fallback-ledger.ts'
import { type Ledger, maxListedOf } from '../../ledger/ledger.ts'
import { ledgerLimits } from '../../ledger/limits.ts'
import { createMemoryLedger } from '../../ledger/memory-ledger.ts'
import { withRateLimiter } from '../../ledger/rate-limiter-ledger.ts'
import {
  type Clock,
  type Execution,
  noMetrics,
  type Ports,
  type RateLimiter,
  type ReadDocsAsset,
} from '../../ports.ts'
import { createConsoleLog, writeToConsole } from '../shared/console-log.ts'
import { fetchClient } from '../shared/fetch-client.ts'
import type { WriteLine } from '../shared/json-log.ts'
import { createBoundedFlights } from '../shared/single-flight.ts'
import { createDurableLedger, type LedgerBinding } from './durable-ledger.ts'

interface RateLimitBinding {
  limit(options: { key: string }): Promise<{ success: boolean }>
}

/** The bindings of wrangler.toml, and the variables of docs/configuration.md. */
export interface Bindings {
  /** Limits begins, where `LEDGER` is missing. Without both they are not limited. */
  BEGIN_RATE_LIMIT?: RateLimitBinding
  /** The ledger of all isolates. Without this binding each isolate has its own. */
  LEDGER?: LedgerBinding
  /** Limits all other calls. Without this binding they are not limited. */
  CALL_RATE_LIMIT?: RateLimitBinding
  /** The static assets of the API reference. Without this binding `/docs` responds with 404. */
  ASSETS?: { fetch(url: string): Promise<Response> }
  [variable: string]: unknown
}

export interface GatewayWorker {
  fetch(request: Request, bindings: Bindings, execution: Execution): Promise<Response>
  /** Serves a cron trigger: renews the token of `SMH_ACCESS_TOKEN`. */
  scheduled(event: unknown, bindings: Bindings, execution: Execution): void
}

/** The period of the rate-limit bindings in wrangler.toml. */
const RATE_LIMIT_PERIOD_SECONDS = 60

export interface WorkerOptions {
  clock?: Clock
  monotonicClock?: Clock
  write?: WriteLine
  /** How long the body of a request may take to arrive, milliseconds. Default: 30,000. */
  bodyTimeoutMs?: number | undefined
}

/**
 * Creates the Worker. The first request of an isolate reads the configuration. When it is invalid every
 * request gets 503, and the log names the variables.
 */
export function createGatewayWorker(options: WorkerOptions = {}): GatewayWorker {
  const { clock = Date.now, monotonicClock = () => performance.now() } = options
  const { write = writeToConsole, bodyTimeoutMs } = options
  let app: App | 'unconfigured' | undefined

  function appOf(bindings: Bindings): App | 'unconfigured' {
    app ??= build(bindings, { clock, monotonicClock, write, bodyTimeoutMs })
    return app
  }

  return {
    async fetch(request, bindings, execution) {
      const gateway = appOf(bindings)
      const responding =
        gateway === 'unconfigured' ? unavailable() : gateway.fetch(request, bindings, execution)
      // Otherwise a client's disconnect ends the work early, without log line and release of permits.
      execution.waitUntil(Promise.resolve(responding).catch(() => {}))
      const response = await responding
      // Clients compare `Upload-Expires` with this header. workerd does not send one.
      response.headers.set('Date', new Date(clock()).toUTCString())
      return response
    },
    scheduled(_event, bindings, execution) {
      const gateway = appOf(bindings)
      if (gateway !== 'unconfigured') execution.waitUntil(gateway.keepAlive())
    },
  }
}

function build(
  bindings: Bindings,
  { clock, monotonicClock, write, bodyTimeoutMs }: Required<WorkerOptions>,
): App | 'unconfigured' {
  try {
    const config = parseConfig(bindings, 'worker')
    const log = createConsoleLog(config.logLevel, write)
    const variables = unknownVariables(bindings)
    if (variables.length > 0) log('warn', { event: 'unknown_variables', variables })
    // The rate-limit bindings hold their limits. 0 switches both off, as on Node.
    const isLimited = config.rateLimitPerMinute > 0
    const needed = bindings.LEDGER ? [] : (['BEGIN_RATE_LIMIT'] as const)
    const missing = [...needed, 'CALL_RATE_LIMIT' as const].filter((name) => !bindings[name])
    if (isLimited && missing.length > 0) {
      log('warn', { event: 'rate_limit_binding_missing', variables: missing })
    }
    return createApp({
      config,
      clock,
      monotonicClock,
      log,
      httpClient: fetchClient,
      singleFlight: createBoundedFlights(config.upstreamTimeoutSeconds * 1000),
      ledger: ledgerOf(bindings, { config, clock, monotonicClock, log }),
      otherCallsRateLimiter: rateLimiterOf(isLimited ? bindings.CALL_RATE_LIMIT : undefined),
      metrics: noMetrics,
      readDocsAsset: readDocsAssetFrom(bindings.ASSETS),
      bodyTimeoutMs,
    })
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    createConsoleLog('info', write)('fatal', {
      event: 'invalid_configuration',
      issues: error.issues,
    })
    return 'unconfigured'
  }
}

function unavailable(): Response {
  const requestId = crypto.randomUUID()
  const error = new GatewayError('upstream_unavailable', 'Uploads cannot begin right now.')
  const problem = toProblem(error, requestId)
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      'Retry-After': '60',
      'X-Content-Type-Options': 'nosniff',
      'X-Request-Id': requestId,
    },
  })
}

/** Without the binding `LEDGER`, each isolate has its own ledger, and the rate-limit binding counts begins. */
function ledgerOf(
  { LEDGER, BEGIN_RATE_LIMIT }: Bindings,
  { config, ...ports }: Pick<Ports, 'config' | 'clock' | 'monotonicClock' | 'log'>,
): Ledger {
  const limits = ledgerLimits(config)
  if (LEDGER) {
    const realm = realmOf(config)
    return createFallbackLedger({
      ...ports,
      shared: createDurableLedger({ binding: LEDGER, realm, limits, clock: ports.clock }),
      memory: createMemoryLedger({ limits, ...ports }),
      maxListed: maxListedOf(limits),
      metrics: noMetrics,
    })
  }
  const memory = createMemoryLedger({ limits: { ...limits, perMinute: 0 }, ...ports })
  if (config.rateLimitPerMinute === 0) return memory
  return withRateLimiter(rateLimiterOf(BEGIN_RATE_LIMIT), memory)
}

/** Without a binding the limiter allows every request. */
function rateLimiterOf(binding: RateLimitBinding | undefined): RateLimiter {
  return {
    async consume(userId) {
      const { success } = (await binding?.limit({ key: userId })) ?? { success: true }
      return success ? 0 : RATE_LIMIT_PERIOD_SECONDS
    },
  }
}

function readDocsAssetFrom(assets: Bindings['ASSETS']): ReadDocsAsset {
  return async (name) => {
    if (!assets) return undefined
    // The binding ignores the host.
    const response = await assets.fetch(`https://assets.local/${name}`)
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined
  }
}
