import { defineConfig } from 'vitest/config'

/** The tests that answer for the mutated files; the whole suite for each mutant would take hours. */
export default defineConfig({
  test: {
    include: [
      'test/policy.test.ts',
      'test/confirm-key-binding.test.ts',
      'test/authenticate.test.ts',
      'test/errors.test.ts',
      'test/smh/error-codes.test.ts',
      'test/openapi.test.ts',
    ],
  },
})
