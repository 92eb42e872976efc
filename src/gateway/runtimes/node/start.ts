import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type HttpBindings, serve } from '@hono/node-server'
import { createApp } from '../../app.ts'
import { type Config, unknownVariables } from '../../config/parse.ts'
import { createMemoryRateLimiter } from '../../ledger/memory-rate-limiter.ts'
import { type Clock, type Log, noMetrics, OTHER_CALLS_PER_BEGIN } from '../../ports.ts'
import { createSingleFlight } from '../shared/single-flight.ts'
import { refuseAmbiguous, responseClosedOf, serializePipelinedRequests } from './connections.ts'
import { readDocsAsset } from './docs-assets.ts'
import { drainOf } from './drain.ts'
import { createUndiciClient } from './undici-client.ts'

export { readDocsAsset } from './docs-assets.ts'
/** For apps that serve the gateway's `fetch` by a server of their own. */
export { createUndiciClient } from './undici-client.ts'

/** How often a token that was made elsewhere is looked after. */
const KEEP_ALIVE_INTERVAL_MS = 60_000

/** Supervisors usually kill what has not ended by itself after ten seconds. */
const DRAIN_MS = 9_000

/** Callers that keep their connection busy ask again well within this. */
const IDLE_MS = 1_000

/**
 * How long a whole request may take to arrive; its headers have a quarter of that. It is longer than the
 * app's own timeout for bodies, which gives the client a proper response.
 */
const REQUEST_TIMEOUT_MS = 60_000

/**
 * How long a connection may be idle between two requests. Longer than the 60 s of usual load balancers:
 * otherwise the gateway closes a connection on which the balancer sends a request at the same moment.
 */
const KEEP_ALIVE_MS = 70_000

/**
 * Connections for each request that may be served at once, and the least limit. Each takes a file
 * descriptor and some kilobytes; those that wait or are idle must not leave none for calls to SMH.
 */
const CONNECTIONS_PER_SERVED = 8
const LEAST_CONNECTIONS = 1024

export interface RunningGateway {
  /** Scheme, host and port, no trailing slash. */
  url: string
  /** Where `/metrics` is, when `ADMIN_PORT` is set. */
  adminUrl: string | undefined
  /** Logs once whether keys and an SMH token can be had, and if not what to fix. Never rejects. */
  checkStart(): Promise<void>
  /** Stops accepting, lets requests end for up to `drainMs`, then resolves. Never rejects. */
  close(): Promise<void>
}

export interface GatewayOptions {
  config: Config
  log: Log
  clock?: Clock
  monotonicClock?: Clock
  /** How many log lines have been dropped so far, for the metrics. */
  droppedLogLines?: () => number
  /** How long requests may take to end after `close`; nine seconds unless told. */
  drainMs?: number
  /** How long after `close` a kept connection may wait for its next request; a second unless told. */
  idleMs?: number
  /** How long a whole request may take to arrive; its headers have a quarter of that. Default: 60,000. */
  requestTimeoutMs?: number
  /** How long the body of a request may take to arrive. Default: 30,000. */
  bodyTimeoutMs?: number | undefined
  /** How long a response may take to be taken, and longer when it is large. Default: 30,000. */
  stallTimeoutMs?: number | undefined
}

/**
 * Runs the gateway on Node.
 *
 * @throws Error with `code` EADDRINUSE and the like when it cannot listen
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { config, log, clock = Date.now, monotonicClock = () => performance.now() } = options
  const { drainMs = DRAIN_MS, idleMs = IDLE_MS } = options
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, bodyTimeoutMs, stallTimeoutMs } = options
  const httpClient = createUndiciClient()
  // Loaded where somebody watches only: prom-client takes several megabytes.
  const watching = config.adminPort === undefined ? undefined : await import('./metrics.ts')
  const metrics = watching?.createNodeMetrics(options.droppedLogLines)
  const app = createApp({
    config,
    clock,
    monotonicClock,
    log,
    httpClient,
    singleFlight: createSingleFlight(),
    beginRateLimiter: createMemoryRateLimiter(config.rateLimitPerMinute, monotonicClock),
    otherCallsRateLimiter: createMemoryRateLimiter(
      OTHER_CALLS_PER_BEGIN * config.rateLimitPerMinute,
      monotonicClock,
    ),
    metrics: metrics ?? noMetrics,
    readDocsAsset,
    bodyTimeoutMs,
  })

  const server = await new Promise<Server>((resolve, reject) => {
    const listening = serve(
      {
        fetch(request, env) {
          const { incoming, outgoing } = env as HttpBindings
          return app.fetch(request, { incoming, responseClosed: responseClosedOf(outgoing) })
        },
        createServer: ((serverOptions: ServerOptions, answer: RequestListener) =>
          serializePipelinedRequests(
            createServer(serverOptions),
            refuseAmbiguous(answer),
            stallTimeoutMs,
          )) as typeof createServer,
        hostname: config.host,
        port: config.port,
        serverOptions: {
          keepAliveTimeout: KEEP_ALIVE_MS,
          requestTimeout: requestTimeoutMs,
          headersTimeout: requestTimeoutMs / 4,
          // Node looks for late requests no more often than this.
          connectionsCheckingInterval: requestTimeoutMs / 10,
        },
      },
      () => resolve(listening as Server),
    )
    listening.once('error', reject)
  })
  server.maxConnections = Math.max(LEAST_CONNECTIONS, CONNECTIONS_PER_SERVED * config.maxInFlight)
  const drain = drainOf(server)
  const adminServer = metrics && watching?.serveMetrics(metrics.registry)
  if (adminServer) {
    try {
      await new Promise<void>((resolve, reject) => {
        adminServer.once('error', reject).listen(config.adminPort, config.host, resolve)
      })
    } catch (error) {
      server.close()
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
    await drain(idleMs)
    adminServer?.close()
    adminServer?.closeAllConnections()
    // Calls may be under way still: a confirm goes on when its caller has left, for up to a minute.
    await Promise.race([httpClient.close().catch(() => forced), forced])
    clearTimeout(force)
  }

  let ending: Promise<void> | undefined
  return {
    url: urlOf(server),
    adminUrl: adminServer && urlOf(adminServer),
    checkStart: app.checkStart,
    close() {
      ending ??= end()
      return ending
    },
  }
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/** Tells of variables that look like ours and are not; a misspelt one would go unnoticed. */
export function warnOfUnknownVariables(
  environment: Readonly<Record<string, unknown>>,
  log: Log,
): void {
  const variables = unknownVariables(environment)
  if (variables.length > 0) log('warn', { event: 'unknown configuration variables', variables })
}
