import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Exchange = [request: IncomingMessage, response: ServerResponse]

/** Requests that may wait on one connection. HTTP allows it; what people use does not even send two. */
const MAX_WAITING = 16

/**
 * Has each connection get one answer after the other: what was sent before that (RFC 9112 §9.3.2) waits
 * its turn. By itself Node works on all at once, and keeps their answers: sixty kilobytes of requests
 * come to gigabytes. Whoever has too many wait is cut off.
 */
export function inTurn(
  answer: RequestListener,
): (request: IncomingMessage, response: ServerResponse) => void {
  const waiting = new WeakMap<Socket, Exchange[]>()

  function start(socket: Socket, [request, response]: Exchange): void {
    // It comes when the answer has been taken, and when nobody is there to take it.
    response.once('close', () => {
      const next = waiting.get(socket)?.shift()
      // On a connection that ends, as all do when the process does, nothing is begun any more.
      if (next && socket.writable) start(socket, next)
      else waiting.delete(socket)
    })
    answer(request, response)
  }

  return (request, response) => {
    const { socket } = request
    const queue = waiting.get(socket)
    if (!queue) {
      waiting.set(socket, [])
      start(socket, [request, response])
    } else if (queue.length < MAX_WAITING) queue.push([request, response])
    else socket.destroy()
  }
}

/**
 * Cuts connections off whose answers nobody takes: they would keep memory, and their place among the
 * requests in flight, for as long as somebody likes.
 *
 * @param patienceMs for how long nothing at all may be taken, and up to twice as long
 */
export function dropUntaken(server: Server, patienceMs: number): void {
  /** What had been taken by the last look, where more lay ready. */
  const taken = new Map<Socket, number | undefined>()
  server.on('connection', (socket) => {
    taken.set(socket, undefined)
    socket.once('close', () => taken.delete(socket))
  })
  const look = setInterval(() => {
    for (const [socket, before] of taken) {
      const { bytesWritten, writableLength } = socket
      const now = writableLength > 0 ? bytesWritten - writableLength : undefined
      if (now !== undefined && now === before) socket.destroy()
      else taken.set(socket, now)
    }
  }, patienceMs)
  look.unref()
  server.once('close', () => clearInterval(look))
}

/** Calls back when this answer has been taken, or nobody is there to take it. */
export function whenTakenOf(outgoing: ServerResponse): (done: () => void) => void {
  return (done) => {
    if (outgoing.closed) done()
    else outgoing.once('close', done)
  }
}
