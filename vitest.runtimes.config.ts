import { defineConfig } from 'vitest/config'
import { blackBox } from './vitest.config.ts'

/** The tests over HTTP with the Node entry on Bun and Deno, which must be installed. */
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
