import type { LogLevel, LogRecord } from '../../src/deps.ts'

/** What a gateway is started with, whatever it runs on. */
export interface LaunchOptions {
  environment: Record<string, string>
  clock: () => number
  steadyClock: () => number
  onRecord: (record: LogRecord & { level: LogLevel }) => void
  /** How long the body of a request may take to arrive; as usual unless told. */
  bodyTimeoutMs?: number | undefined
}

export interface LaunchedGateway {
  url: string
  close(): Promise<void>
}

/** Whether these tests run against the Worker; set by the project in vitest.config.ts. */
export const onWorkers = process.env.GATEWAY_RUNTIME === 'workerd'

/** Starts the gateway on the runtime that the running project is for. */
export async function launch(options: LaunchOptions): Promise<LaunchedGateway> {
  if (onWorkers) return (await import('./worker-gateway.ts')).launchWorker(options)
  const { parseConfig } = await import('../../src/config.ts')
  const { startGateway } = await import('../../src/node/gateway.ts')
  return startGateway({
    config: parseConfig({ PORT: '0', ...options.environment }),
    clock: options.clock,
    steadyClock: options.steadyClock,
    log: (level, record) => options.onRecord({ level, ...record }),
    bodyTimeoutMs: options.bodyTimeoutMs,
    // A test's requests are over by then.
    idleMs: 0,
  })
}
