import type { Background, Clock, Log, Metrics } from '../ports.ts'
import type { Ledger, OpenUpload, Ticket } from './ledger.ts'
import type { MemoryLedger } from './memory-ledger.ts'

/** How long a begin waits for the shared store in total, and how long any other call waits, milliseconds. */
const MAX_WAIT_MS = 190

/**
 * Added to each wait, milliseconds. After a busy spell a timer fires before the replies that have arrived are read.
 * This second timer lets them be read first.
 */
const LATE_REPLY_MS = 10

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

/** Undefined without an answer. */
type Asked<T> = { reply: T } | undefined

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

/** An entry of the store is unreadable, for example because another version wrote it. The store itself works. */
export class UnreadableEntry extends Error {}

/**
 * Creates a ledger that never rejects. The memory ledger answers while the shared store is away. While it is
 * away no call waits for it, except the first ones that find out.
 */
export function createFallbackLedger(options: FallbackLedgerOptions): FallbackLedger {
  const { shared, memory, maxListed, log, metrics, monotonicClock } = options
  const { background = (work) => void work } = options
  let isAvailable = true
  let pingedAt = Number.NEGATIVE_INFINITY
  /** When the store last answered in time. */
  let repliedAt = Number.NEGATIVE_INFINITY
  /** The lists that are being read, by user. A list is long, so a user gets one at a time. */
  const lists = new Map<string, Promise<Asked<readonly OpenUpload[]>>>()
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
    sendMissedEnds()
  }

  function sendMissedEnds(): void {
    if (missedEnds.length === 0) return
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

  /** Asks the shared store. Resolves to undefined if it is away, or cannot answer this call. */
  async function ask<T>(call: () => T | Promise<T>, waitMs = MAX_WAIT_MS): Promise<Asked<T>> {
    const askedAt = monotonicClock()
    if (isAvailable) {
      try {
        const reply = await within(waitMs, call())
        repliedAt = monotonicClock()
        sendMissedEnds()
        return { reply }
      } catch (error) {
        // A store that answers other calls is not away. A short wait proves nothing.
        const isSlow =
          error instanceof LedgerTimeout && (repliedAt > askedAt || waitMs < MAX_WAIT_MS)
        if (isSlow || error instanceof UnreadableEntry) {
          const reason = isSlow ? 'ledger_timeout' : 'ledger_unreadable'
          log(isSlow ? 'debug' : 'warn', { event: 'ledger_bypassed', reason })
          return undefined
        }
        becomeAway(error)
      }
    }
    check()
    return undefined
  }

  function askForList(userId: string): Promise<Asked<readonly OpenUpload[]>> {
    const running = lists.get(userId)
    if (running) return running
    const list = ask(() => shared.list(userId)).finally(() => lists.delete(userId))
    lists.set(userId, list)
    return list
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
        (await ask(() => shared.began(userId, ticket, record), restOf(waited)))
      // Without the shared store a replay on this instance still works.
      if (!asked) memory.began(userId, ticket, record)
    },
    async failed(userId, ticket) {
      const waited = sharedTickets.get(ticket)
      if (waited === undefined) return memory.failed(userId, ticket)
      // If this fails, the ticket ends on its own.
      await ask(() => shared.failed(userId, ticket), restOf(waited))
    },
    async list(userId) {
      const asked = await askForList(userId)
      return union(memory.list(userId), asked?.reply ?? []).slice(0, maxListed)
    },
  }
}

/** How long a begin may still wait, milliseconds. A process that stalls may have waited for longer than allowed. */
const restOf = (waitedMs: number) => Math.max(0, MAX_WAIT_MS - waitedMs)

/** All uploads of both lists without duplicates, newest first. */
function union(own: readonly OpenUpload[], shared: readonly OpenUpload[]): readonly OpenUpload[] {
  if (own.length === 0) return shared
  const byKey = new Map([...shared, ...own].map((upload) => [upload.confirmKey, upload]))
  return [...byKey.values()].sort((one, other) => other.beganAt - one.beganAt)
}

/** Settles as `work` does, or rejects after `ms` with a {@link LedgerTimeout}. */
function within<T>(ms: number, work: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer = setTimeout(() => {
      timer = setTimeout(() => reject(new LedgerTimeout()), LATE_REPLY_MS)
    }, ms)
    Promise.resolve(work).then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
