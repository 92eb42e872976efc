import type { Config } from '../../config/parse.ts'
import { realmOf } from '../../config/realm.ts'
import type { Secret } from '../../config/secret.ts'
import { createFallbackLedger } from '../../ledger/fallback-ledger.ts'
import { type Ledger, maxListedOf } from '../../ledger/ledger.ts'
import { ledgerLimits } from '../../ledger/limits.ts'
import type { MemoryLedger } from '../../ledger/memory-ledger.ts'
import type { Clock, Log, Metrics } from '../../ports.ts'
import { createRedisConnection } from './redis-connection.ts'
import { createRedisLedger } from './redis-ledger.ts'

/** How often the ledger looks for a Redis that is away, milliseconds. */
const CHECK_INTERVAL_MS = 1_000

/** How long the start of the gateway waits for Redis, milliseconds. */
const START_TIMEOUT_MS = 1_000

export interface SharedLedgerOptions {
  config: Config
  redisUrl: Secret
  /** Answers while Redis is away. */
  memory: MemoryLedger
  clock: Clock
  monotonicClock: Clock
  log: Log
  metrics: Metrics
}

/** Starts the ledger that all instances share over Redis. Without Redis it starts as well. */
export async function startSharedLedger(
  options: SharedLedgerOptions,
): Promise<{ ledger: Ledger; close(): void }> {
  const { config, redisUrl, memory, clock, monotonicClock, log, metrics } = options
  const limits = ledgerLimits(config)
  const connection = createRedisConnection(redisUrl)
  const shared = createRedisLedger({ connection, realm: realmOf(config), limits, clock })
  const timeout = new Promise<false>((resolve) => {
    setTimeout(resolve, START_TIMEOUT_MS, false).unref()
  })
  const connected = shared.ping().then(
    () => true,
    () => false,
  )
  const isAvailable = await Promise.race([connected, timeout])
  const maxListed = maxListedOf(limits)
  const ledger = createFallbackLedger({
    ...{ shared, memory, maxListed, isAvailable },
    ...{ log, metrics, monotonicClock },
  })
  const checking = setInterval(ledger.check, CHECK_INTERVAL_MS)
  checking.unref()
  return {
    ledger,
    close() {
      clearInterval(checking)
      connection.close()
    },
  }
}
