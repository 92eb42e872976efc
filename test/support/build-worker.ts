import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { bundleWorker } from './bundle-worker.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The bundle that tests run in workerd: many gateways with movable clocks. */
    workerFile: string
    /** The bundle of `src/gateway/runtimes/worker/main.ts`, as it would be deployed. */
    deployedFile: string
  }
}

/** Bundles the Worker once for all tests, as wrangler would deploy it. */
export default async function buildWorker({ provide }: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-worker-'))
  await Promise.all([
    bundleWorker(directory),
    bundleWorker(directory, join(import.meta.dirname, 'worker-entry.ts')),
  ])
  provide('workerFile', join(directory, 'worker-entry.js'))
  provide('deployedFile', join(directory, 'main.js'))
  return () => rm(directory, { recursive: true, force: true })
}
