import { defineConfig } from 'vitest/config'

/** The tests of the mutated files. The whole suite would take hours, because each mutant runs it. */
export default defineConfig({
  test: {
    include: [
      'test/unit/gateway/uploads/policy.test.ts',
      'test/unit/gateway/uploads/confirm-key.test.ts',
      'test/unit/gateway/auth/authenticate.test.ts',
      'test/unit/gateway/errors.test.ts',
      'test/unit/gateway/smh/error-codes.test.ts',
      'test/unit/gateway/uploads/public-error.test.ts',
      'test/unit/openapi.test.ts',
    ],
  },
})
