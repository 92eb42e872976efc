import type { Config } from '../config/parse.ts'
import type { LedgerLimits } from './ledger.ts'

/** The limits of a configuration. */
export function ledgerLimits(config: Config): LedgerLimits {
  return {
    perMinute: config.rateLimitPerMinute,
    maxOpen: config.upload.maxOpen,
    maxAgeMs: config.upload.maxAgeSeconds * 1000,
    // No begin takes longer.
    runningMs: 3 * config.upstreamTimeoutSeconds * 1000,
  }
}
