import { connect, createServer, type Socket } from 'node:net'
import { listen } from './listen.ts'

/** A way to a server on this machine that can be cut, as the network between people and it can. */
export interface Line {
  url: string
  /** While cut, every connection breaks, those in use as well. */
  cut(isCut: boolean): void
  close(): Promise<void>
}

/** Passes on whatever comes, byte by byte, to the server at `farUrl`. */
export async function startLine(farUrl: string): Promise<Line> {
  const far = new URL(farUrl)
  const open = new Set<Socket>()
  let isCut = false

  function join(near: Socket): void {
    if (isCut) return void near.destroy()
    const other = connect(Number(far.port), far.hostname)
    for (const [one, its] of [
      [near, other],
      [other, near],
    ] as const) {
      open.add(one)
      one.on('error', () => {}) // What it means is told by the close that follows.
      one.on('close', () => {
        open.delete(one)
        its.destroy()
      })
      one.pipe(its)
    }
  }

  function breakAll(): void {
    for (const socket of open) socket.destroy()
  }

  const server = createServer({ noDelay: true }, join)
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
