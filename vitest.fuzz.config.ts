import config from './vitest.config.ts'

/** Runs the fuzz test for minutes instead of seconds. FUZZ_RUNS and FUZZ_SEED change the runs. */
process.env.FUZZ_RUNS ??= '20000'

export default config
