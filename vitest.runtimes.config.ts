import { defineConfig } from 'vitest/config'
import { blackBox } from './vitest.config.ts'

/** The black-box tests against the Node entry on other runtimes, which have to be installed. */
export default defineConfig({
  test: {
    isolate: false,
    maxWorkers: 2,
    projects: ['bun', 'deno'].map((name) => ({
      test: {
        name,
        include: blackBox,
        env: { GATEWAY_RUNTIME: name },
        testTimeout: 30_000,
      },
    })),
  },
})
