import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Exchange = [request: IncomingMessage, response: ServerResponse]

/** Requests that may wait on one connection. HTTP allows it; what people use does not even send two. */
const MAX_WAITING = 16

/** The same on all connections together. Each may have 16 KiB of headers, which take twice the memory. */
const MAX_WAITING_OF_ALL = 1024

/**
 * How long a response may take to be taken, for each 512 KiB of it that is still there at the first look.
 * The largest, 1.4 MB, needs 16 kB a second, which slow mobile networks have.
 */
const STALL_TIMEOUT_MS = 30_000
const STALL_BYTES = 512 * 1024

/** What one connection is at. */
interface Turn {
  /** The response being written. */
  response: ServerResponse | undefined
  /** When it has to be taken, on the clock of `performance.now()`. Unset before the first look at it. */
  endsAt: number | undefined
  waiting: Exchange[]
}

/**
 * Serves each connection one response after the other and closes connections that stall.
 *
 * - Pipelined requests (RFC 9112 §9.3.2) wait for their turn. Node alone works on all of them at once and
 *   keeps their responses: 60 kB of requests become gigabytes. With more than 16 that wait, or
 *   1,024 on all connections, the connection is closed.
 * - A response has to be taken as a whole within `stallTimeoutMs` for each 512 KiB. Otherwise a client that
 *   reads slowly would hold memory and a concurrency permit for as long as it likes.
 *
 * @param stallTimeoutMs the time is checked every tenth of it. Default: 30,000
 */
export function serializePipelinedRequests(
  server: Server,
  answer: RequestListener,
  stallTimeoutMs = STALL_TIMEOUT_MS,
): Server {
  const turns = new Map<Socket, Turn>()
  let waitingOfAll = 0

  function start(socket: Socket, turn: Turn, [request, response]: Exchange): void {
    turn.response = response
    turn.endsAt = undefined
    // Emitted when the response has been taken, and when the connection is gone.
    response.once('close', () => {
      turn.response = undefined
      const next = turn.waiting.shift()
      if (next) waitingOfAll -= 1
      // A connection that ends, as all do when the process does, begins no further request.
      if (next && socket.writable) start(socket, turn, next)
    })
    answer(request, response)
  }

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    let turn = turns.get(socket)
    if (!turn) {
      const created: Turn = { response: undefined, endsAt: undefined, waiting: [] }
      turn = created
      turns.set(socket, created)
      socket.once('close', () => {
        turns.delete(socket)
        waitingOfAll -= created.waiting.splice(0).length
      })
    }
    if (!turn.response) start(socket, turn, [request, response])
    else if (turn.waiting.length < MAX_WAITING && waitingOfAll < MAX_WAITING_OF_ALL) {
      turn.waiting.push([request, response])
      waitingOfAll += 1
    } else socket.destroy()
  })

  const look = setInterval(() => {
    const now = performance.now()
    for (const [socket, turn] of turns) {
      if (!turn.response?.writableEnded) continue
      turn.endsAt ??=
        now + stallTimeoutMs * Math.max(1, Math.ceil(socket.writableLength / STALL_BYTES))
      if (turn.endsAt < now) socket.destroy()
    }
  }, stallTimeoutMs / 10)
  look.unref()
  server.once('close', () => clearInterval(look))
  return server
}

/**
 * Refuses requests that a proxy in front may read in another way: with several `Host` lines (RFC 9112
 * §3.2), or with a transfer coding other than `chunked`, which Node passes on as it is (§6.1).
 */
export function refuseAmbiguous(answer: RequestListener): RequestListener {
  return (request, response) => {
    const coding = request.headers['transfer-encoding']
    const isAmbiguous =
      (coding !== undefined && coding.toLowerCase() !== 'chunked') ||
      hasSeveralHosts(request.rawHeaders)
    if (!isAmbiguous) answer(request, response)
    else response.writeHead(400, { Connection: 'close', 'Cache-Control': 'no-store' }).end()
  }
}

/** Names and values in turn. */
function hasSeveralHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}

/** Calls back when this answer has been taken, or nobody is there to take it. */
export function responseClosedOf(outgoing: ServerResponse): (done: () => void) => void {
  return (done) => {
    // Deno leaves `closed` false after the client has left.
    if (outgoing.closed || outgoing.destroyed) done()
    else outgoing.once('close', done)
  }
}
