import { defineConfig } from 'vitest/config'

/** Tests that use the gateway over HTTP alone. They run on Node and on workerd. */
export const blackBox = ['test/http/**/*.test.ts']

export default defineConfig({
  test: {
    // Without isolation the files share their loaded modules, which saves most of the time.
    isolate: false,
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'node',
          // Generous, for a busy machine. No test depends on it.
          testTimeout: 20_000,
          hookTimeout: 30_000,
          include: ['test/**/*.test.ts'],
          // The other projects and vitest.browser.config.ts run these.
          exclude: ['test/worker/**', 'test/browser/**', 'test/package/**'],
        },
      },
      {
        test: {
          name: 'workerd',
          include: [...blackBox, 'test/worker/**/*.test.ts'],
          env: { GATEWAY_RUNTIME: 'workerd' },
          globalSetup: ['test/support/build-worker.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          // Each uses the whole machine, so they run after all others, one at a time.
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
