import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { projectFolder, wranglerEnvironment, wranglerScript } from '../../src/demo/wrangler.ts'

/**
 * Bundles the Worker as wrangler would deploy it, without the internet and without a login.
 *
 * @param more as `wrangler deploy` takes it: an entry other than that of wrangler.toml, flags
 */
export async function bundleWorker(directory: string, ...more: string[]): Promise<void> {
  const args = [wranglerScript, 'deploy', ...more, '--dry-run', '--outdir', directory]
  await promisify(execFile)(process.execPath, args, {
    cwd: projectFolder,
    env: { ...process.env, ...wranglerEnvironment },
  })
}
