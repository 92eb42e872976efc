import { connect, createServer, type Socket } from 'node:net'
import { listen } from './listen.ts'

/** A proxy on loopback that can simulate a broken network. */
export interface TcpProxy {
  url: string
  /** While cut, open connections break and new ones are refused. */
  cut(isCut: boolean): void
  close(): Promise<void>
}

/** Starts a proxy that forwards bytes to and from the server at `targetUrl`. */
export async function startTcpProxy(targetUrl: string): Promise<TcpProxy> {
  const target = new URL(targetUrl)
  const open = new Set<Socket>()
  let isCut = false

  function forward(client: Socket): void {
    if (isCut) return void client.destroy()
    const server = connect(Number(target.port), target.hostname)
    for (const [socket, peer] of [
      [client, server],
      [server, client],
    ] as const) {
      open.add(socket)
      socket.on('error', () => {}) // The close event that follows breaks the peer.
      socket.on('close', () => {
        open.delete(socket)
        peer.destroy()
      })
      socket.pipe(peer)
    }
  }

  function breakAll(): void {
    for (const socket of open) socket.destroy()
  }

  const server = createServer({ noDelay: true }, forward)
  const url = await listen(server, 0)
  return {
    url,
    cut(value) {
      isCut = value
      if (isCut) breakAll()
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      breakAll()
      await closed
    },
  }
}
