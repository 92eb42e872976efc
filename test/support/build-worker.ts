import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The bundle that tests run in workerd: many gateways with movable clocks. */
    workerFile: string
    /** The bundle of `src/worker.ts`, as it would be deployed. */
    deployedFile: string
  }
}

/** Bundles the Worker once for all tests, as wrangler would deploy it. */
export default async function buildWorker({ provide }: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-worker-'))
  const wrangler = join(import.meta.dirname, '../../node_modules/wrangler/bin/wrangler.js')
  const bundle = (...entry: string[]) =>
    promisify(execFile)(
      process.execPath,
      [wrangler, 'deploy', ...entry, '--dry-run', '--outdir', directory],
      { env: { ...process.env, WRANGLER_SEND_METRICS: 'false' } },
    )
  await Promise.all([bundle(), bundle(join(import.meta.dirname, 'worker-entry.ts'))])
  provide('workerFile', join(directory, 'worker-entry.js'))
  provide('deployedFile', join(directory, 'worker.js'))
  return () => rm(directory, { recursive: true, force: true })
}
