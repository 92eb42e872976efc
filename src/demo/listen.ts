import type { AddressInfo, Server } from 'node:net'

/** Starts `server` and returns its URL. Rejects with the system's error, such as EADDRINUSE. */
export async function listen(server: Server, port: number, host = '127.0.0.1'): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return `http://${host}:${(server.address() as AddressInfo).port}`
}
