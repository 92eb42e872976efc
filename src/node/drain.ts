import type { Server, ServerResponse } from 'node:http'
import { Server as TcpServer } from 'node:net'

/** How often connections that have become idle are closed while draining. */
const STEP_MS = 50

/**
 * Gives the function that ends `server` without losing a request: it takes no connection any more,
 * answers what is asked on those that it has, with `Connection: close`, and resolves when they are
 * gone. Connections on which nothing is asked are closed after `idleMs`: a caller may have sent its
 * next request just now, which a connection closed at once would swallow.
 */
export function drainOf(server: Server): (idleMs: number) => Promise<void> {
  const answering = new Set<ServerResponse>()
  let draining = false
  // Before the one that answers: it may do so in the same turn.
  server.prependListener('request', (_request, response: ServerResponse) => {
    response.shouldKeepAlive &&= !draining
    answering.add(response)
    response.once('close', () => answering.delete(response))
  })

  return async function drain(idleMs) {
    draining = true
    for (const response of answering) response.shouldKeepAlive = false
    let step: NodeJS.Timeout | undefined
    const patience = setTimeout(() => {
      server.closeIdleConnections()
      step = setInterval(() => server.closeIdleConnections(), STEP_MS)
    }, idleMs)
    // Not the server's own close: that one closes idle connections at once.
    await new Promise<void>((resolve) => TcpServer.prototype.close.call(server, () => resolve()))
    clearTimeout(patience)
    clearInterval(step)
    // What it does besides: it ends the timer that watches for slow senders.
    server.close()
  }
}
