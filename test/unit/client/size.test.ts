import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { bundleForBrowsers } from '../../support/bundle-browser.ts'

const source = (file: string) => fileURLToPath(new URL(`../../../src/${file}`, import.meta.url))
const uppy = ['@uppy/core', '@uppy/core/utils']

test.each([
  { what: 'the client', entry: 'client/index.ts', limitKiB: 12, imports: [] },
  { what: 'the worker that hashes', entry: 'client/hash-worker.ts', limitKiB: 2, imports: [] },
  { what: 'the queue', entry: 'client/queue/index.ts', limitKiB: 3, imports: [] },
  // With the client, without Uppy.
  { what: 'the plugin', entry: 'client/uppy/index.ts', limitKiB: 14, imports: uppy },
])('$what: at most $limitKiB KiB with gzip', async ({ what, entry, limitKiB, imports }) => {
  const bundle = await bundleForBrowsers(source(entry), { external: uppy })
  process.stdout.write(`${what}: ${(bundle.gzipBytes / 1024).toFixed(1)} KiB gzip\n`)
  expect(bundle.gzipBytes).toBeLessThanOrEqual(limitKiB * 1024)
  expect(bundle.imports).toEqual(imports)
})
