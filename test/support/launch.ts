import type { LogLevel, LogRecord } from '../../src/gateway/ports.ts'

/** What a gateway is started with, whatever it runs on. */
export interface LaunchOptions {
  environment: Record<string, string>
  clock: () => number
  monotonicClock: () => number
  onRecord: (record: LogRecord & { level: LogLevel }) => void
  /** How long the body of a request may take to arrive; default: 30 seconds. */
  bodyTimeoutMs?: number | undefined
}

export interface LaunchedGateway {
  url: string
  /** To be called when the clocks of its options have moved. */
  clockMoved?(): void
  close(): Promise<void>
}

/** The runtime under test: `node` in this process; `workerd`, `bun` or `deno` in another. */
const runtime = process.env.GATEWAY_RUNTIME ?? 'node'

/** Whether these tests run against the Worker; set by the project in vitest.config.ts. */
export const onWorkers = runtime === 'workerd'

/**
 * Whether these tests run against Bun. Its `fetch` adds headers, reports refused and broken connections alike,
 * and repeats a GET, PUT or DELETE whose kept connection was reset.
 */
export const onBun = runtime === 'bun'

/** Whether log lines come from another process, and so arrive after the response. */
export const isLogLate = runtime !== 'node'

/** Starts the gateway on the runtime that the running project is for. */
export async function launch(options: LaunchOptions): Promise<LaunchedGateway> {
  if (onWorkers) return (await import('./worker-gateway.ts')).launchWorker(options)
  if (runtime !== 'node') return (await import('./child-gateway.ts')).launchChild(options)
  const { parseConfig } = await import('../../src/gateway/config/parse.ts')
  const { startGateway } = await import('../../src/gateway/runtimes/node/start.ts')
  return startGateway({
    config: parseConfig({ PORT: '0', ...options.environment }),
    clock: options.clock,
    monotonicClock: options.monotonicClock,
    log: (level, record) => options.onRecord({ level, ...record }),
    bodyTimeoutMs: options.bodyTimeoutMs,
    // A test's requests are over by then.
    idleMs: 0,
  })
}
