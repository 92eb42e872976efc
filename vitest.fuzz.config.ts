import config from './vitest.config.ts'

/** Minutes of what `npm test` does for seconds; FUZZ_RUNS and FUZZ_SEED choose others. */
process.env.FUZZ_RUNS ??= '20000'

export default config
