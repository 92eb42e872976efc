import { readFile } from 'node:fs/promises'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { inject, onTestFinished } from 'vitest'
import { compatibility } from './compatibility.ts'
import type { LaunchedGateway } from './launch.ts'

export interface DeployedWorker extends LaunchedGateway {
  /** Everything that the Worker and workerd wrote so far. */
  written(): string
  /** Runs the cron trigger. */
  cron(): Promise<void>
}

/** The bundle of `src/gateway/runtimes/worker/main.ts` in a fresh workerd, which ends with the test. */
export async function startDeployedWorker(
  environment: Record<string, unknown>,
  { hasLedger = false, beginLimit = 0 } = {},
): Promise<DeployedWorker> {
  const lines: string[] = []
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: await readFile(inject('deployedFile'), 'utf8'),
      ...compatibility,
      cf: false,
      bindings: environment,
      ...(hasLedger && {
        durableObjects: { LEDGER: { className: 'LedgerObject', useSQLite: true } },
      }),
      ...(beginLimit > 0 && {
        ratelimits: {
          BEGIN_RATE_LIMIT: { namespace_id: '1', simple: { limit: beginLimit, period: 60 } },
        },
      }),
      handleStructuredLogs: ({ message }: { message: string }) => lines.push(message),
    } as never),
  )
  onTestFinished(() => miniflare.dispose())
  const url = (await miniflare.ready).href.replace(/\/$/, '')
  return {
    url,
    written: () => lines.join('\n'),
    async cron() {
      const worker = (await miniflare.getWorker()) as unknown as { scheduled(): Promise<unknown> }
      await worker.scheduled()
    },
    close: () => miniflare.dispose(),
  }
}
