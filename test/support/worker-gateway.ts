import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { inject } from 'vitest'
import { projectFolder } from '../../src/demo/wrangler.ts'
import { compatibility } from './compatibility.ts'
import type { LaunchedGateway, LaunchOptions } from './launch.ts'

interface Workerd {
  port: number
  /** By the port that callers name, which may have been another gateway's before. */
  ports: Map<string, string>
  harnesses: Map<string, LaunchOptions>
  dispose(): Promise<void>
}

/** Shared by all tests of this process, because its start takes longer than most tests. */
let shared: Promise<Workerd> | undefined

/**
 * Starts a gateway in workerd, which reaches the emulator and the issuer on loopback. Each gateway has a port
 * that forwards to the shared workerd.
 */
export async function launchWorker(options: LaunchOptions): Promise<LaunchedGateway> {
  const limit = Number(options.environment.RATE_LIMIT_PER_MINUTE ?? 0)
  // The rate-limit binding's number is fixed when workerd starts.
  if (limit === 0) shared ??= startWorkerd(0)
  const workerd = await (limit > 0 || !shared ? startWorkerd(limit) : shared)
  const server = createServer((caller) => {
    const gateway = connect(workerd.port, '127.0.0.1')
    caller.pipe(gateway).pipe(caller)
    caller.on('close', () => gateway.destroy()).on('error', () => gateway.destroy())
    // An answer may still be on its way to the caller.
    gateway.on('close', () => caller.destroySoon()).on('error', () => caller.destroySoon())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const id = String(workerd.harnesses.size)
  workerd.harnesses.set(id, options)
  workerd.ports.set(String(port), id)
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.close()
      if (limit > 0) await workerd.dispose()
    },
  }
}

async function startWorkerd(limit: number): Promise<Workerd> {
  const harnesses: Workerd['harnesses'] = new Map()
  const ports: Workerd['ports'] = new Map()
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: await readFile(inject('workerFile'), 'utf8'),
      ...compatibility,
      cf: false,
      assets: {
        directory: join(projectFolder, 'openapi'),
        binding: 'ASSETS',
        assetConfig: { html_handling: 'none' },
        routerConfig: { invoke_user_worker_ahead_of_assets: true, has_user_worker: true },
      },
      serviceBindings: {
        TEST_HARNESS: (request: Request) => {
          const id = ports.get(new URL(request.url).pathname.slice(1)) ?? ''
          const harness = harnesses.get(id)
          return Response.json({
            id,
            environment: harness?.environment,
            now: harness?.clock(),
            lasted: harness?.monotonicClock(),
            bodyTimeoutMs: harness?.bodyTimeoutMs,
          })
        },
      },
      durableObjects: { LEDGER: { className: 'LedgerObject', useSQLite: true } },
      ...(limit > 0 && {
        ratelimits: {
          CALL_RATE_LIMIT: { namespace_id: '1', simple: { limit: 10 * limit, period: 60 } },
        },
      }),
      handleStructuredLogs: ({ message }: { message: string }) => {
        const [, id = '', line = 'null'] = /^(\d+) (\{.*\})$/.exec(message) ?? []
        harnesses.get(id)?.onRecord(JSON.parse(line))
      },
    } as never),
  )
  const url = await miniflare.ready
  return { port: Number(url.port), ports, harnesses, dispose: () => miniflare.dispose() }
}
