/**
 * `npm run test:redis-outage`: measures what begins notice of an outage of Redis, at 200 begins a second. Redis is
 * stopped (SIGSTOP), so that it hangs, and later killed. Prints a table; exits 1 when a bound does not hold. Takes a
 * minute. Needs `redis-server`.
 */
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { startRedis } from '../test/support/redis-server.ts'
import { type Measured, quantile, refusedOf, startFixture } from './load/fixture.ts'

const PER_SECOND = 200
const SECONDS = 5
/** Bound of the added p99 in the first second of an outage, milliseconds. */
const ADDED_MS = 250
/** Bound of the added p99 afterwards, milliseconds. The two runs of a busy machine differ by some milliseconds. */
const NOISE_MS = 20
/** Bound of the time until the gateway uses Redis again, milliseconds. */
const BACK_MS = 5_000

interface Row {
  '': string
  begins: number
  failed: number
  'p50 ms': string
  'p99 ms': string
  'added p99 ms': string
  bound: string
}

const redis = await startRedis()
const fixture = await startFixture({
  REDIS_URL: redis.url,
  // Counted, and never reached.
  RATE_LIMIT_PER_MINUTE: '1000000',
  UPLOAD_MAX_OPEN: '0',
})
const rows: Row[] = []
const verdicts: string[] = []
let isOver = false

const loadFor = (seconds: number) =>
  fixture.load({ requests: PER_SECOND * seconds, perSecond: PER_SECOND })

function note(name: string, measured: Measured, before: Measured, bound: number): void {
  const added = quantile(measured.times, 0.99) - quantile(before.times, 0.99)
  const failed = refusedOf(measured.statuses)
  if (failed > 0 || added > bound) isOver = true
  rows.push({
    '': name,
    begins: measured.times.length,
    failed,
    'p50 ms': quantile(measured.times, 0.5).toFixed(1),
    'p99 ms': quantile(measured.times, 0.99).toFixed(1),
    'added p99 ms': added.toFixed(1),
    bound: `${bound}`,
  })
}

/** Measures before, in the first second of, during and after an outage. */
async function measure(name: string, leave: () => unknown, comeBack: () => unknown): Promise<void> {
  const before = await loadFor(SECONDS)
  note(`${name}: before`, before, before, 0)
  const first = loadFor(1)
  await leave()
  note(`${name}: first second`, await first, before, ADDED_MS)
  note(`${name}: later`, await loadFor(SECONDS), before, NOISE_MS)
  const back = once(fixture.events, 'ledger')
  const startedAt = performance.now()
  await comeBack()
  const [event] = await Promise.race([back, wait(2 * BACK_MS, ['nothing'])])
  const tookMs = Math.round(performance.now() - startedAt)
  if (event !== 'ledger_available' || tookMs > BACK_MS) isOver = true
  verdicts.push(`${name}: ${event} ${tookMs} ms after its return, bound ${BACK_MS} ms`)
  note(`${name}: after its return`, await loadFor(SECONDS), before, NOISE_MS)
}

try {
  // Warm-up: the issuer's keys, an SMH token and compiled code.
  await loadFor(SECONDS)
  await measure('stopped', redis.suspend, redis.resume)
  await measure('killed', redis.kill, redis.restart)
  // biome-ignore lint/suspicious/noConsole: the table is the result.
  console.table(rows)
  process.stdout.write(`${verdicts.join('\n')}\n`)
  process.exitCode = isOver ? 1 : 0
} finally {
  await fixture.close()
  redis.resume()
  await redis.kill()
}
