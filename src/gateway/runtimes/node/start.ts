import { createApp } from '../../app.ts'
import { type Config, unknownVariables } from '../../config/parse.ts'
import { ledgerLimits } from '../../ledger/limits.ts'
import { createMemoryLedger } from '../../ledger/memory-ledger.ts'
import { createMemoryRateLimiter } from '../../ledger/memory-rate-limiter.ts'
import { type Clock, type Log, noMetrics, OTHER_CALLS_PER_BEGIN } from '../../ports.ts'
import { createSingleFlight } from '../shared/single-flight.ts'
import { readDocsAsset } from './docs-assets.ts'
import { listen, startHttpServer, urlOf } from './server.ts'
import { createUndiciClient } from './undici-client.ts'

export { readDocsAsset } from './docs-assets.ts'
/** For programs that serve the gateway's `fetch` with another server. */
export { createUndiciClient } from './undici-client.ts'

/** How often the gateway checks whether the token of `SMH_ACCESS_TOKEN` needs to be renewed. */
const KEEP_ALIVE_INTERVAL_MS = 60_000

/** Supervisors usually kill a process that has not ended ten seconds after the signal. */
const DRAIN_MS = 9_000

/** How long an idle connection may wait for its next request. Busy clients send one sooner. */
const IDLE_MS = 1_000

/**
 * How long a whole request may take to arrive. Its headers have a quarter of that. It is longer than the
 * app's timeout for bodies, which sends the client a problem response.
 */
const REQUEST_TIMEOUT_MS = 60_000

/**
 * Connections per concurrent request, and the lowest limit of connections. Each connection takes a file
 * descriptor and some kilobytes. Idle connections must leave descriptors for calls to SMH.
 */
const CONNECTIONS_PER_SERVED = 8
const LEAST_CONNECTIONS = 1024

export interface RunningGateway {
  /** Scheme, host and port, without a trailing slash. */
  url: string
  /** Where `/metrics` is, when `ADMIN_PORT` is set. */
  adminUrl: string | undefined
  /**
   * Logs once whether keys and an SMH token are available. If not, the log says what to fix. Never rejects.
   */
  checkStart(): Promise<void>
  /** Accepts no further connection, lets requests end within `drainMs`, then resolves. Never rejects. */
  close(): Promise<void>
}

export interface GatewayOptions {
  config: Config
  log: Log
  clock?: Clock
  monotonicClock?: Clock
  /** Returns the number of dropped log lines, for the metrics. */
  droppedLogLines?: () => number
  /** How long requests may take to end after `close`; default: nine seconds. */
  drainMs?: number
  /** How long after `close` a kept connection may wait for its next request; default: one second. */
  idleMs?: number
  /** How long a whole request may take to arrive. Its headers have a quarter of that. Default: 60,000. */
  requestTimeoutMs?: number
  /** How long the body of a request may take to arrive. Default: 30,000. */
  bodyTimeoutMs?: number | undefined
  /** How long the client may take to receive 512 KiB of a response. Default: 30,000. */
  stallTimeoutMs?: number | undefined
}

/**
 * Runs the gateway on Node.
 *
 * @throws Error with a `code` such as EADDRINUSE when it cannot listen
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { config, log, clock = Date.now, monotonicClock = () => performance.now() } = options
  const { drainMs = DRAIN_MS, idleMs = IDLE_MS } = options
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, bodyTimeoutMs, stallTimeoutMs } = options
  const httpClient = createUndiciClient()
  // Loaded only when metrics are served: prom-client takes several megabytes.
  const watching = config.adminPort === undefined ? undefined : await import('./metrics.ts')
  const metrics = watching?.createNodeMetrics(options.droppedLogLines)
  const memory = createMemoryLedger({ limits: ledgerLimits(config), clock, monotonicClock })
  // Loaded only with Redis: its client takes several megabytes.
  const shared =
    config.redisUrl &&
    (await (
      await import('./shared-ledger.ts')
    ).startSharedLedger({
      ...{ config, redisUrl: config.redisUrl, memory, clock, monotonicClock, log },
      metrics: metrics ?? noMetrics,
    }))
  const app = createApp({
    config,
    clock,
    monotonicClock,
    log,
    httpClient,
    singleFlight: createSingleFlight(),
    ledger: shared?.ledger ?? memory,
    otherCallsRateLimiter: createMemoryRateLimiter(
      OTHER_CALLS_PER_BEGIN * config.rateLimitPerMinute,
      monotonicClock,
    ),
    metrics: metrics ?? noMetrics,
    readDocsAsset,
    bodyTimeoutMs,
  })

  const server = await startHttpServer({
    fetch: app.fetch,
    host: config.host,
    port: config.port,
    maxConnections: Math.max(LEAST_CONNECTIONS, CONNECTIONS_PER_SERVED * config.maxInFlight),
    requestTimeoutMs,
    stallTimeoutMs,
  }).catch((error: unknown) => {
    shared?.close()
    throw error
  })
  const adminServer = metrics && watching?.serveMetrics(metrics.registry)
  if (adminServer) {
    try {
      await listen(adminServer, config.host, config.adminPort ?? 0)
    } catch (error) {
      server.closeAllConnections()
      await server.stop(0)
      shared?.close()
      throw error
    }
  }

  void app.keepAlive()
  const keepAlive = setInterval(() => void app.keepAlive(), KEEP_ALIVE_INTERVAL_MS)
  keepAlive.unref()

  async function end(): Promise<void> {
    clearInterval(keepAlive)
    let force: NodeJS.Timeout | undefined
    const forced = new Promise<void>((resolve) => {
      force = setTimeout(() => {
        server.closeAllConnections()
        resolve(httpClient.destroy())
      }, drainMs)
    })
    await server.stop(idleMs)
    adminServer?.close()
    adminServer?.closeAllConnections()
    // A confirm continues for up to a minute after its client has disconnected.
    await Promise.race([httpClient.close().catch(() => forced), forced])
    clearTimeout(force)
    shared?.close()
  }

  let ending: Promise<void> | undefined
  return {
    url: server.url,
    adminUrl: adminServer && urlOf(adminServer),
    checkStart: app.checkStart,
    close() {
      ending ??= end()
      return ending
    },
  }
}

/** Logs variables that have a prefix of the gateway's but are unknown, for example misspelt ones. */
export function warnOfUnknownVariables(
  environment: Readonly<Record<string, unknown>>,
  log: Log,
): void {
  const variables = unknownVariables(environment)
  if (variables.length > 0) log('warn', { event: 'unknown_variables', variables })
}
