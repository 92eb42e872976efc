import { defineConfig } from 'vitest/config'

/** Tests that know the gateway by its address alone: they run against Node and against workerd. */
export const blackBox = ['test/http/**/*.test.ts']

export default defineConfig({
  test: {
    // Most of a test's time goes into loading what all of them need.
    isolate: false,
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'node',
          // A machine that is busy with other work takes longer; no test is decided by it.
          testTimeout: 20_000,
          hookTimeout: 30_000,
          include: ['test/**/*.test.ts'],
          // Those of the browser have a configuration of their own.
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
          // Each keeps the machine busy: after all others, and one at a time.
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
