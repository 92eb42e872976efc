import { defineConfig } from 'vitest/config'

/** What people install: the package, and the client with a large file. */
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    // Each of them keeps the machine busy.
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
})
