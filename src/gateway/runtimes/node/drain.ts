import type { Server, ServerResponse } from 'node:http'
import { type Socket, Server as TcpServer } from 'node:net'

/** How often connections that have become idle are closed while draining. */
const STEP_MS = 50

/**
 * Gives the function that ends `server` without losing a request: it takes no connection any more,
 * answers what is asked on those that it has, with `Connection: close`, and resolves when they are
 * gone. Connections on which nothing is asked are closed after `idleMs`: a caller may have sent its
 * next request just now, which a connection closed at once would swallow.
 */
export function drainOf(server: Server): (idleMs: number) => Promise<void> {
  // By connection, and not a set of those under way: a set that changes all the time leaves outgrown
  // tables behind, and what stood in them, whole requests, outlives several collections of garbage.
  const answering = new Map<Socket, ServerResponse | undefined>()
  let draining = false
  // Before the one that answers: it may do so in the same turn.
  server.prependListener('request', ({ socket }, response: ServerResponse) => {
    response.shouldKeepAlive &&= !draining
    if (!answering.has(socket)) socket.once('close', () => answering.delete(socket))
    answering.set(socket, response)
    response.once('close', () => {
      if (answering.get(socket) === response) answering.set(socket, undefined)
    })
  })

  return async function drain(idleMs) {
    draining = true
    for (const response of answering.values()) if (response) response.shouldKeepAlive = false
    // Bun's server is no net.Server, and its close ends idle connections at once, so it comes last.
    const { close } = server instanceof TcpServer ? TcpServer.prototype : server
    if (close === server.close) await new Promise((resolve) => setTimeout(resolve, idleMs))
    let step: NodeJS.Timeout | undefined
    const patience = setTimeout(() => {
      server.closeIdleConnections()
      step = setInterval(() => server.closeIdleConnections(), STEP_MS)
    }, idleMs)
    // Not Node's own close: that one closes idle connections at once.
    await new Promise<void>((resolve) => close.call(server, () => resolve()))
    clearTimeout(patience)
    clearInterval(step)
    // What it does besides: it ends the timer that watches for slow senders.
    server.close()
  }
}
