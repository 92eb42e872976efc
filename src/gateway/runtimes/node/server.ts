import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, Server as TcpServer } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import type { App } from '../../app.ts'
import { type Connections, serializePipelinedRequests } from './connections.ts'

/**
 * How long a connection may be idle between two requests. Load balancers usually allow 60 s: with less here,
 * the gateway closes a connection while the balancer sends a request on it.
 */
const KEEP_ALIVE_MS = 70_000

/** How often connections that have become idle are closed while the server stops. */
const IDLE_CHECK_MS = 50

export interface HttpServerOptions {
  /** Serves a request. The bindings are those of the app. */
  fetch: App['fetch']
  host: string
  port: number
  /** Further connections are closed. Each takes a file descriptor and some kilobytes. */
  maxConnections: number
  /** How long a whole request may take to arrive. Its headers have a quarter of that. */
  requestTimeoutMs: number
  /** How long the client may take to receive a response. Default: 30,000. */
  stallTimeoutMs: number | undefined
}

export interface HttpServer {
  /** Scheme, host and port, without a trailing slash. */
  url: string
  /**
   * Stops without losing a request: accepts no connection, responds on those that are open, with
   * `Connection: close`, and resolves when they are closed. Idle connections are closed after `idleMs`,
   * because their client may just have sent its next request.
   */
  stop(idleMs: number): Promise<void>
  /** Closes all connections now. */
  closeAllConnections(): void
}

/**
 * Starts the HTTP server of the app.
 *
 * @throws Error with a `code` such as EADDRINUSE when it cannot listen
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { fetch, host, port, maxConnections, requestTimeoutMs, stallTimeoutMs } = options
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs / 4,
    // How often Node checks for late requests.
    connectionsCheckingInterval: requestTimeoutMs / 10,
  })
  server.maxConnections = maxConnections
  const respond = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as HttpBindings
      const responseClosed = responseClosedOf(outgoing)
      return fetch(request, { incoming, responseClosed, readBody: () => readBody(incoming) })
    },
    { hostname: host },
  )
  const connections = serializePipelinedRequests(server, refuseAmbiguous(respond), stallTimeoutMs)
  await listen(server, host, port)
  return {
    url: urlOf(server),
    stop: (idleMs) => stop(server, connections, idleMs),
    closeAllConnections: () => server.closeAllConnections(),
  }
}

/** Rejects with the server's error when it cannot listen. */
export function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve)
  })
}

/** Scheme, host and port of a server that listens. */
export function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/** Calls back when this response has been sent or its connection is gone. */
function responseClosedOf(outgoing: ServerResponse): (done: () => void) => void {
  return (done) => {
    // Deno leaves `closed` false after the client has disconnected.
    if (outgoing.closed || outgoing.destroyed) done()
    else outgoing.once('close', done)
  }
}

/**
 * Reads the whole body of a request. `Request.arrayBuffer` of @hono/node-server copies it, and costs several times
 * as much. Rejects when the client disconnects before the end.
 */
function readBody(incoming: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    function failUnlessRead(): void {
      if (!incoming.readableEnded) reject(new Error('The client has disconnected.'))
    }
    // A destroyed request emits nothing more.
    if (incoming.destroyed) failUnlessRead()
    incoming
      .on('data', (chunk) => chunks.push(chunk))
      .on('end', () =>
        resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)),
      )
      .on('error', failUnlessRead)
      .on('close', failUnlessRead)
  })
}

async function stop(server: Server, connections: Connections, idleMs: number): Promise<void> {
  connections.endAfterResponse()
  // Node's own close ends idle connections at once. Bun's does so too, and is no net.Server: it comes last.
  const { close } = server instanceof TcpServer ? TcpServer.prototype : server
  if (close === server.close) await new Promise((resolve) => setTimeout(resolve, idleMs))
  let checks: NodeJS.Timeout | undefined
  const patience = setTimeout(() => {
    server.closeIdleConnections()
    checks = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
  }, idleMs)
  await new Promise<void>((resolve) => close.call(server, () => resolve()))
  clearTimeout(patience)
  clearInterval(checks)
  // It also stops the timer that checks for late requests.
  server.close()
}

/**
 * Rejects requests that a proxy may parse differently: with several `Host` lines (RFC 9112 §3.2), or with a
 * transfer coding other than `chunked`, which Node passes on as it is (RFC 9112 §6.1).
 */
function refuseAmbiguous(respond: RequestListener): RequestListener {
  return (request, response) => {
    const coding = request.headers['transfer-encoding']
    const isAmbiguous =
      (coding !== undefined && coding.toLowerCase() !== 'chunked') ||
      hasSeveralHosts(request.rawHeaders)
    if (!isAmbiguous) respond(request, response)
    else response.writeHead(400, { Connection: 'close', 'Cache-Control': 'no-store' }).end()
  }
}

/** @param rawHeaders names and values, alternating */
function hasSeveralHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}
