import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Emulator, startEmulator } from '../emulator/start.ts'
import { parseConfig } from '../gateway/config/parse.ts'
import type { Log } from '../gateway/ports.ts'
import { startGateway } from '../gateway/runtimes/node/start.ts'
import { type DemoIssuer, NAMED_USERS, type NamedUser, startDemoIssuer } from './demo-users.ts'
import { environmentOf } from './environment.ts'
import { createFailureSwitches } from './failure-switches.ts'
import { startPageServer } from './page-server.ts'
import { startTcpProxy } from './tcp-proxy.ts'
import { startWorkerGateway } from './worker-gateway.ts'

/** The largest file that COS accepts: 10,000 parts of 5 GiB. */
const MAX_BYTES = 10_000 * 5 * 1024 ** 3

/** Everything that runs during the demo, on loopback. */
export interface Demo {
  pageUrl: string
  gatewayUrl: string
  users: readonly [NamedUser, NamedUser]
  issuer: DemoIssuer
  emulator: Emulator
  /** A temporary folder, removed when the demo or its process ends. */
  folder: string
  close(): Promise<void>
}

export interface DemoOptions {
  /** The gateway's log. */
  log: Log
  /** Whether the gateway runs in workerd instead of this process. */
  worker: boolean
  /** Aborts the start. */
  signal: AbortSignal
  /** Port of the page. 0 takes a free port. Default: 8780, or a free port if that is in use. */
  pagePort?: number
}

/** Starts issuer, page, emulator and gateway, and connects them. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { log, worker, signal, pagePort } = options
  const folder = await mkdtemp(join(tmpdir(), 'smh-demo-'))
  // Also when the process ends without `close`.
  const removeFolder = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', removeFolder)

  const running: { close(): Promise<void> }[] = []
  const close = async () => {
    await Promise.all(running.splice(0).map((part) => part.close()))
    await rm(folder, { recursive: true, force: true })
    process.off('exit', removeFolder)
  }
  const started = <T extends { close(): Promise<void> }>(part: T): T => {
    running.push(part)
    return part
  }

  try {
    const users = NAMED_USERS
    const issuer = started(await startDemoIssuer())
    const page = started(await startPageServer({ issuer, users, port: pagePort }))
    const emulator = started(
      await startEmulator({ directory: join(folder, 'cos'), corsOrigins: [page.url] }),
    )
    const environment = {
      ...environmentOf({ emulator, issuer }),
      UPLOAD_MAX_BYTES: String(MAX_BYTES),
      RATE_LIMIT_PER_MINUTE: '0',
      CORS_ORIGINS: page.url,
      PORT: '0',
    }
    const gateway = started(
      worker
        ? await startWorkerGateway({ environment, log, folder, signal })
        : await startGateway({ config: parseConfig(environment), log }),
    )
    const proxy = started(await startTcpProxy(gateway.url))
    const { cosUrl, controls } = emulator
    const failures = createFailureSwitches(controls, proxy)
    page.connect({
      gatewayUrl: proxy.url,
      cosUrl,
      maxBytes: MAX_BYTES,
      failures,
      files: controls.files,
    })
    return { pageUrl: page.url, gatewayUrl: proxy.url, users, issuer, emulator, folder, close }
  } catch (error) {
    await close()
    throw error
  }
}
