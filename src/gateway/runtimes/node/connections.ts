import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Exchange = [request: IncomingMessage, response: ServerResponse]

/** Requests that may wait on one connection. HTTP allows pipelining; clients hardly use it. */
const MAX_WAITING = 16

/** Requests that may wait on all connections. Each holds up to 16 KiB of headers, twice that in memory. */
const MAX_WAITING_IN_ALL = 1024

/**
 * How long the client may take to receive a response, for each 512 KiB of it. The largest response, 1.4 MB,
 * then needs 16 kB per second. Slow mobile networks provide that.
 */
const STALL_TIMEOUT_MS = 30_000
const STALL_BYTES = 512 * 1024

/** The requests of one connection. */
interface Connection {
  /** The response being sent. */
  response: ServerResponse | undefined
  /** The deadline for its receipt, as a value of `performance.now()`. Unset before the first check. */
  endsAt: number | undefined
  waiting: Exchange[]
}

export interface Connections {
  /** Ends each connection after the last response that it waits for, with `Connection: close`. */
  endAfterResponse(): void
}

/**
 * Serves each connection one response after the other, and closes connections whose client has stopped
 * reading.
 *
 * - Pipelined requests (RFC 9112 §9.3.2) wait. Node itself would process all of them at once and keep their
 *   responses: 60 kB of requests become gigabytes. The connection is closed when more than 16 wait on it,
 *   or more than 1,024 on all connections.
 * - The client has `stallTimeoutMs` for each 512 KiB of a response. Otherwise a slow reader would hold
 *   memory and a concurrency permit indefinitely. Node has timeouts for requests only.
 *
 * @param stallTimeoutMs checked every tenth of it. Default: 30,000
 */
export function serializePipelinedRequests(
  server: Server,
  respond: RequestListener,
  stallTimeoutMs = STALL_TIMEOUT_MS,
): Connections {
  // Keyed by socket. A set of open responses would change constantly, and its old tables would keep
  // requests in memory over several garbage collections.
  const connections = new Map<Socket, Connection>()
  let waitingInAll = 0
  let ending = false

  function start(socket: Socket, connection: Connection, [request, response]: Exchange): void {
    connection.response = response
    connection.endsAt = undefined
    // Emitted when the response has been sent, and when the connection is gone.
    response.once('close', () => {
      connection.response = undefined
      const next = connection.waiting.shift()
      if (next) waitingInAll -= 1
      // No further request begins on a connection that ends.
      if (next && socket.writable) start(socket, connection, next)
    })
    respond(request, response)
  }

  function add(socket: Socket): Connection {
    const connection: Connection = { response: undefined, endsAt: undefined, waiting: [] }
    connections.set(socket, connection)
    socket.once('close', () => {
      connections.delete(socket)
      waitingInAll -= connection.waiting.splice(0).length
    })
    return connection
  }

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    response.shouldKeepAlive &&= !ending
    const connection = connections.get(socket) ?? add(socket)
    if (!connection.response) start(socket, connection, [request, response])
    else if (connection.waiting.length < MAX_WAITING && waitingInAll < MAX_WAITING_IN_ALL) {
      connection.waiting.push([request, response])
      waitingInAll += 1
    } else socket.destroy()
  })

  function closeStalledConnections(): void {
    const now = performance.now()
    for (const [socket, connection] of connections) {
      if (!connection.response?.writableEnded) continue
      const shares = Math.max(1, Math.ceil(socket.writableLength / STALL_BYTES))
      connection.endsAt ??= now + stallTimeoutMs * shares
      if (connection.endsAt < now) socket.destroy()
    }
  }
  const checks = setInterval(closeStalledConnections, stallTimeoutMs / 10)
  checks.unref()
  server.once('close', () => clearInterval(checks))

  return {
    endAfterResponse() {
      ending = true
      for (const { response, waiting } of connections.values()) {
        const last = waiting.at(-1)?.[1] ?? response
        if (last) last.shouldKeepAlive = false
      }
    },
  }
}
