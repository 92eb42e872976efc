import { beginningHash, fullHash } from '../../src/client/hashes.ts'
import { createUploadClient } from '../../src/client/index.ts'
import { startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { startEmulator } from '../../src/emulator/start.ts'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import { startGateway } from '../../src/gateway/runtimes/node/start.ts'

/** 2 MiB and a bit: SMH knows no file under 1 MiB. */
const knownFile = new Blob([new Uint8Array(2 * 1024 * 1024 + 10).fill(97)])

/** What the programs of all languages talk to. */
export type Services = Awaited<ReturnType<typeof startServices>>

/** Starts emulator, issuer and gateway on loopback, with one stored file that SMH knows by its hashes. */
export async function startServices() {
  const issuer = await startDemoIssuer()
  const emulator = await startEmulator()
  const environment = {
    ...environmentOf({ emulator, issuer }),
    RATE_LIMIT_PER_MINUTE: '0',
    PORT: '0',
  }
  const gateway = await startGateway({ config: parseConfig(environment), log: () => {} })
  const token = await issuer.token({ sub: 'ann' })
  const client = createUploadClient({
    gateway: gateway.url,
    getToken: () => token,
    cosScheme: 'http',
  })
  await client.upload(knownFile, { path: 'known.bin' }).done
  const { signal } = new AbortController()

  return {
    /** What every program finds in its environment. */
    environment: {
      GATEWAY_URL: gateway.url,
      TOKEN: token,
      KNOWN_SIZE: String(knownFile.size),
      KNOWN_BEGINNING_HASH: await beginningHash(knownFile, signal),
      KNOWN_FULL_HASH: await fullHash(knownFile, signal),
    },
    knownSize: knownFile.size,
    /** The size with which an upload was begun, or undefined when the gateway does not know its key. */
    async sizeOf(confirmKey: string): Promise<number | undefined> {
      const status = await client.status(confirmKey).catch(() => undefined)
      return status?.size
    },
    async close(): Promise<void> {
      await gateway.close()
      await Promise.all([emulator.close(), issuer.close()])
    },
  }
}
