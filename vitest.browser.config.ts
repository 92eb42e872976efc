import { defineConfig } from 'vitest/config'

/** Tests of the demo page and the reference page in Chromium. */
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    globalSetup: ['test/support/launch-chromium.ts'],
    isolate: false,
    maxWorkers: 2,
    testTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
  },
})
