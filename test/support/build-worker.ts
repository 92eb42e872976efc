import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The file of the bundled Worker that tests run in workerd. */
    workerFile: string
  }
}

/** Bundles the Worker once for all tests, as wrangler would deploy it. */
export default async function buildWorker({ provide }: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-worker-'))
  const wrangler = join(import.meta.dirname, '../../node_modules/wrangler/bin/wrangler.js')
  const entry = join(import.meta.dirname, 'worker-entry.ts')
  const args = [wrangler, 'deploy', entry, '--dry-run', '--outdir', directory]
  await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
  })
  provide('workerFile', join(directory, 'worker-entry.js'))
  return () => rm(directory, { recursive: true, force: true })
}
