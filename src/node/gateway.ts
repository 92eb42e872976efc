import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { createApp } from '../app.ts'
import { type Config, unknownVariables } from '../config.ts'
import type { Clock, Log } from '../deps.ts'
import { noMetrics } from '../observability.ts'
import { oneFlight } from '../share.ts'
import { createNodeCallOut } from './call-out.ts'
import { readDocsAsset } from './docs-assets.ts'
import { createLimitBegins } from './limit-begins.ts'
import { createNodeMetrics, serveMetrics } from './metrics.ts'

/** How often a token that was made elsewhere is looked after. */
const KEEP_ALIVE_INTERVAL_MS = 60_000

/** How long requests may take to end after the gateway was told to stop. */
const DRAIN_MS = 9_000

/** How often connections that have become idle are closed while draining. */
const DRAIN_STEP_MS = 50

export interface RunningGateway {
  /** Scheme, host and port, no trailing slash. */
  url: string
  /** Where `/metrics` is, when `ADMIN_PORT` is set. */
  adminUrl: string | undefined
  /** Stops accepting, lets requests end for up to nine seconds, then resolves. Never rejects. */
  close(): Promise<void>
}

export interface GatewayOptions {
  config: Config
  log: Log
  clock?: Clock
}

/**
 * Runs the gateway on Node.
 *
 * @throws Error with `code` EADDRINUSE and the like when it cannot listen
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { config, log, clock = Date.now } = options
  const { callOut, close: closePool } = createNodeCallOut()
  const metrics = config.adminPort === undefined ? undefined : createNodeMetrics()
  const app = createApp({
    config,
    clock,
    log,
    callOut,
    share: oneFlight(),
    limitBegins: createLimitBegins(config.rateLimitPerMinute),
    metrics: metrics ?? noMetrics,
    readDocsAsset,
  })

  const server = await new Promise<Server>((resolve, reject) => {
    const listening = serve({ fetch: app.fetch, hostname: config.host, port: config.port }, () =>
      resolve(listening as Server),
    )
    listening.once('error', reject)
  })
  const adminServer = metrics && serveMetrics(metrics.registry)
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

  return {
    url: urlOf(server),
    adminUrl: adminServer && urlOf(adminServer),
    async close() {
      clearInterval(keepAlive)
      await drain(server)
      adminServer?.close()
      adminServer?.closeAllConnections()
      await closePool()
    },
  }
}

/** Closes the server once its requests have ended, and by force when they take too long. */
async function drain(server: Server): Promise<void> {
  // Keep-alive connections that become idle after close() would otherwise hold it open.
  const step = setInterval(() => server.closeIdleConnections(), DRAIN_STEP_MS)
  const force = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
  await new Promise<void>((resolve) => server.close(() => resolve()))
  clearInterval(step)
  clearTimeout(force)
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
