import type { Background, Clock, Log, Metrics } from '../ports.ts'
import type { Ledger, OpenUpload, Ticket } from './ledger.ts'
import type { MemoryLedger } from './memory-ledger.ts'

/** How long a begin waits for the shared store in total, and how long any other call waits, milliseconds. */
const MAX_WAIT_MS = 200

/** The shortest time between two pings, milliseconds. */
const PING_INTERVAL_MS = 1_000

/** How long a ping may take, milliseconds. It is shorter than the interval, so that pings do not overlap. */
const PING_TIMEOUT_MS = 800

/**
 * Limits the ends of uploads that the shared store has missed. Each takes about 500 bytes. Further ones are
 * dropped: those uploads stay open until their own end.
 */
const MAX_MISSED_ENDS = 1_000

/** A ledger whose store may be away. Its calls may then reject, or never settle. */
export interface SharedLedger extends Ledger {
  /** Resolves if the store can read and write. Connects if necessary. */
  ping(): Promise<void>
  /** Rejects all running calls and drops the connection, if the store has one. */
  reset?(): void
}

export interface FallbackLedgerOptions {
  shared: SharedLedger
  memory: MemoryLedger
  /** The longest list of open uploads. */
  maxListed: number
  log: Log
  metrics: Metrics
  monotonicClock: Clock
  /** Whether the store is available at the start. Default: true. */
  isAvailable?: boolean
  /** Default: the work only has to be started. */
  background?: Background
}

export interface FallbackLedger extends Ledger {
  /** Pings the store if it is away, at most once a second. */
  check(): void
}

class LedgerTimeout extends Error {}

/**
 * Creates a ledger that never rejects. The memory ledger answers while the shared store is away. While it is
 * away no call waits for it, except the first ones that find out.
 */
export function createFallbackLedger(options: FallbackLedgerOptions): FallbackLedger {
  const { shared, memory, maxListed, log, metrics, monotonicClock } = options
  const { background = (work) => void work } = options
  let isAvailable = true
  let pingedAt = Number.NEGATIVE_INFINITY
  /** The tickets of the shared store, with the milliseconds that their begins have waited. */
  const sharedTickets = new WeakMap<Ticket, number>()
  let missedEnds: Parameters<Ledger['ended']>[] = []

  function becomeAway(error: unknown): void {
    if (!isAvailable) return
    isAvailable = false
    metrics.ledgerAvailable(false)
    const reason = error instanceof LedgerTimeout ? 'ledger_timeout' : 'ledger_error'
    log('warn', { event: 'ledger_unavailable', reason })
    if (error instanceof LedgerTimeout) shared.reset?.()
  }

  function becomeAvailable(): void {
    isAvailable = true
    metrics.ledgerAvailable(true)
    log('info', { event: 'ledger_available' })
    const ends = missedEnds
    missedEnds = []
    background(Promise.all(ends.map((end) => ended(...end))).then(() => {}))
  }

  function check(): void {
    const now = monotonicClock()
    if (isAvailable || now - pingedAt < PING_INTERVAL_MS) return
    pingedAt = now
    // The next ping connects again: a server that has become a replica answers, but refuses writes.
    background(within(PING_TIMEOUT_MS, shared.ping()).then(becomeAvailable, () => shared.reset?.()))
  }

  /** Asks the shared store. Resolves to undefined if it is away. */
  async function ask<T>(
    call: () => T | Promise<T>,
    waitMs = MAX_WAIT_MS,
  ): Promise<{ reply: T } | undefined> {
    if (isAvailable) {
      try {
        return { reply: await within(waitMs, call()) }
      } catch (error) {
        becomeAway(error)
      }
    }
    check()
    return undefined
  }

  async function ended(...end: Parameters<Ledger['ended']>): Promise<void> {
    memory.ended(...end)
    const asked = await ask(() => shared.ended(...end))
    if (!asked && missedEnds.length < MAX_MISSED_ENDS) missedEnds.push(end)
  }

  metrics.ledgerAvailable(true)
  if (options.isAvailable === false) becomeAway(undefined)

  return {
    check,
    ended,
    async begin(userId, idempotency, replaces) {
      if (!(idempotency && memory.knowsKey(userId, idempotency.key))) {
        const startedAt = monotonicClock()
        const asked = await ask(() => shared.begin(userId, idempotency, replaces))
        if (asked?.reply.kind === 'admitted') {
          sharedTickets.set(asked.reply.ticket, monotonicClock() - startedAt)
        }
        if (asked) return asked.reply
      }
      return memory.begin(userId, idempotency, replaces)
    },
    async count(userId) {
      const asked = await ask(() => shared.count(userId))
      return asked ? asked.reply : memory.count(userId)
    },
    async began(userId, ticket, record) {
      const waited = sharedTickets.get(ticket)
      const asked =
        waited !== undefined &&
        (await ask(() => shared.began(userId, ticket, record), MAX_WAIT_MS - waited))
      // Without the shared store a replay on this instance still works.
      if (!asked) memory.began(userId, ticket, record)
    },
    async failed(userId, ticket) {
      const waited = sharedTickets.get(ticket)
      if (waited === undefined) return memory.failed(userId, ticket)
      // If this fails, the ticket ends on its own.
      await ask(() => shared.failed(userId, ticket), MAX_WAIT_MS - waited)
    },
    async list(userId) {
      const asked = await ask(() => shared.list(userId))
      return union(memory.list(userId), asked?.reply ?? []).slice(0, maxListed)
    },
  }
}

/** All uploads of both lists without duplicates, newest first. */
function union(own: readonly OpenUpload[], shared: readonly OpenUpload[]): readonly OpenUpload[] {
  if (own.length === 0) return shared
  const byKey = new Map([...shared, ...own].map((upload) => [upload.confirmKey, upload]))
  return [...byKey.values()].sort((one, other) => other.beganAt - one.beganAt)
}

/** Settles as `work` does, or rejects after `ms` with a {@link LedgerTimeout}. Without time left, after a moment. */
function within<T>(ms: number, work: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new LedgerTimeout()), Math.max(0, ms))
    Promise.resolve(work)
      .finally(() => clearTimeout(timer))
      .then(resolve, reject)
  })
}
