import { parseConfig } from '../../src/gateway/config/parse.ts'
import { ledgerLimits } from '../../src/gateway/ledger/limits.ts'
import { createMemoryLedger } from '../../src/gateway/ledger/memory-ledger.ts'
import { requiredVariables } from './config.ts'

/** A new ledger in memory, without a limit of the rate. */
export function emptyLedger() {
  const config = parseConfig({ ...requiredVariables, RATE_LIMIT_PER_MINUTE: '0' })
  return createMemoryLedger({
    limits: ledgerLimits(config),
    clock: Date.now,
    monotonicClock: () => performance.now(),
  })
}
