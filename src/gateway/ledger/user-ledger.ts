import type { Clock } from '../ports.ts'
import { countCall } from './gcra.ts'
import {
  type BeginDecision,
  type BeginOutcomeRecord,
  type CountedBegin,
  type Idempotency,
  KEY_RETENTION_MS,
  type LedgerLimits,
  MAX_LISTED,
  type OpenUpload,
  type ReplayRecord,
  type Ticket,
} from './ledger.ts'

/**
 * Limits the Idempotency-Keys of one user. Each takes about 300 bytes here, and 1 KB in Redis. Above it the oldest
 * are dropped.
 */
export const MAX_KEYS = 10_000

/** One table of the state. Ids are texts, values are JSON. */
export type LedgerTable = 'rate' | 'tickets' | 'uploads' | 'keys'

/** Keeps each change of the state for the next start. */
export interface LedgerRows {
  put(table: LedgerTable, id: string, value: unknown): void
  delete(table: LedgerTable, id: string): void
}

const noRows: LedgerRows = { put() {}, delete() {} }

/** What ends on its own at a time, in milliseconds since the epoch. */
interface Ending {
  endsAt: number
}

interface OpenEntry extends Ending {
  upload: OpenUpload
  /** The Idempotency-Key of its begin. */
  key: string | undefined
}

interface KeyEntry extends Ending {
  fingerprint: string
  /** The outcome; undefined while the first request is running. */
  record: ReplayRecord | undefined
  /** The ticket of the running request. */
  ticket?: string
}

export interface UserLedgerOptions {
  limits: LedgerLimits
  clock: Clock
  monotonicClock: Clock
  /** Default: nothing is kept. */
  rows?: LedgerRows
}

/**
 * The ledger of one user, in memory. Every method is synchronous, so each decision is atomic.
 *
 * The maps are in the order of their insertion, which is also the order of their ends: all uploads may stay
 * open for the same time, and so may all keys.
 */
export class UserLedger {
  readonly #options: UserLedgerOptions
  readonly #rows: LedgerRows
  /** Makes the ids of tickets unique, also after a restart. */
  readonly #start = crypto.randomUUID()
  #admitted = 0
  /** The state of {@link countCall}. */
  #doneAt = 0
  /** Begins that are running, by ticket. They take a place among the open uploads, if these are limited. */
  readonly #tickets = new Map<string, Ending>()
  readonly #uploads = new Map<string, OpenEntry>()
  readonly #keys = new Map<string, KeyEntry>()

  constructor(options: UserLedgerOptions) {
    this.#options = options
    this.#rows = options.rows ?? noRows
  }

  /** How many entries it holds. */
  get size(): number {
    return this.#tickets.size + this.#uploads.size + this.#keys.size
  }

  /** Restores one row that {@link LedgerRows} has kept. Rows of a table come in the order of their writes. */
  restore(table: LedgerTable, id: string, value: unknown): void {
    if (table === 'rate') this.#doneAt = value as number
    else if (table === 'tickets') this.#tickets.set(id, value as Ending)
    else if (table === 'uploads') this.#uploads.set(id, value as OpenEntry)
    else this.#keys.set(id, value as KeyEntry)
  }

  count(): CountedBegin {
    const { limits, monotonicClock } = this.#options
    if (limits.perMinute === 0) return { rate: undefined, waitMs: 0 }
    const { doneAt, ...counted } = countCall(this.#doneAt, monotonicClock(), limits.perMinute)
    this.#doneAt = doneAt
    if (counted.waitMs === 0) this.#rows.put('rate', '', doneAt)
    return counted
  }

  begin(idempotency: Idempotency | undefined, replaces: string | undefined): BeginDecision {
    const { rate, waitMs } = replaces === undefined ? this.count() : { rate: undefined, waitMs: 0 }
    if (waitMs > 0) return { kind: 'rate_limited', rate, waitMs }
    const now = this.#options.clock()
    this.dropEnded(now)
    const known = idempotency && this.#keys.get(idempotency.key)
    if (known && known.endsAt > now) {
      if (known.fingerprint !== idempotency.fingerprint) return { kind: 'key_reused', rate }
      if (!known.record) return { kind: 'in_progress', rate }
      if (replaces === undefined || confirmKeyOf(known.record) !== replaces) {
        return { kind: 'replay', rate, record: known.record }
      }
    } else {
      const { maxOpen } = this.#options.limits
      if (maxOpen > 0 && this.#tickets.size + this.#uploads.size >= maxOpen) {
        return { kind: 'too_many_open', rate, waitMs: this.#firstEnd() - now }
      }
    }
    if (replaces !== undefined) this.#deleteUpload(replaces)
    return { kind: 'admitted', rate, ticket: this.#admit(idempotency, now) }
  }

  #admit(idempotency: Idempotency | undefined, now: number): Ticket {
    const { maxOpen, runningMs } = this.#options.limits
    this.#admitted += 1
    const ticket = { id: `${this.#start}.${this.#admitted}`, idempotency }
    const endsAt = now + runningMs
    if (maxOpen > 0) this.#put('tickets', this.#tickets, ticket.id, { endsAt })
    if (idempotency) {
      const { key, fingerprint } = idempotency
      const entry = { fingerprint, endsAt, record: undefined, ticket: ticket.id }
      this.#put('keys', this.#keys, key, entry)
    }
    return ticket
  }

  began({ id, idempotency }: Ticket, record: BeginOutcomeRecord): void {
    this.#delete('tickets', this.#tickets, id)
    const now = this.#options.clock()
    const endsAt = record.outcome === 'upload' ? record.upload.endsAt : Number.POSITIVE_INFINITY
    if (record.outcome === 'upload') {
      const { upload } = record
      const entry = { upload, endsAt, key: idempotency?.key }
      this.#put('uploads', this.#uploads, upload.confirmKey, entry)
      this.#dropAbove(this.#options.limits.maxOpen || MAX_LISTED, 'uploads', this.#uploads)
    }
    if (!idempotency) return
    const { key, fingerprint } = idempotency
    const lastsMs = Math.min(KEY_RETENTION_MS, this.#options.limits.maxAgeMs)
    this.#put('keys', this.#keys, key, {
      fingerprint,
      endsAt: Math.min(endsAt, now + lastsMs),
      record: toReplay(record),
    })
    this.#dropAbove(MAX_KEYS, 'keys', this.#keys)
  }

  failed({ id, idempotency }: Ticket): void {
    this.#delete('tickets', this.#tickets, id)
    // Another begin has the key if this one took longer than its ticket lasts.
    const isOwn = idempotency && this.#keys.get(idempotency.key)?.ticket === id
    if (isOwn) this.#delete('keys', this.#keys, idempotency.key)
  }

  ended(confirmKey: string, how: 'completed' | 'aborted'): void {
    const entry = this.#deleteUpload(confirmKey)
    if (how === 'aborted' && entry?.key !== undefined) this.#delete('keys', this.#keys, entry.key)
  }

  /** Whether a begin with this Idempotency-Key is running or has an outcome. */
  knowsKey(key: string): boolean {
    const known = this.#keys.get(key)
    return known !== undefined && known.endsAt > this.#options.clock()
  }

  list(): OpenUpload[] {
    this.dropEnded(this.#options.clock())
    return [...this.#uploads.values()].map(({ upload }) => upload).reverse()
  }

  /** Drops what has ended. */
  dropEnded(now: number): void {
    for (const [id, { endsAt }] of this.#tickets) {
      if (endsAt <= now) this.#delete('tickets', this.#tickets, id)
    }
    this.#dropEndedOf('uploads', this.#uploads, now)
    this.#dropEndedOf('keys', this.#keys, now)
  }

  #dropEndedOf(table: LedgerTable, map: Map<string, Ending>, now: number): void {
    for (const [id, { endsAt }] of map) {
      if (endsAt > now) return
      this.#delete(table, map, id)
    }
  }

  #dropAbove(max: number, table: LedgerTable, map: Map<string, Ending>): void {
    for (const id of map.keys()) {
      if (map.size <= max) return
      this.#delete(table, map, id)
    }
  }

  /** When the first place among the open uploads becomes free, if no client ends one sooner. */
  #firstEnd(): number {
    const [upload] = this.#uploads.values()
    const [ticket] = this.#tickets.values()
    return Math.min(upload?.endsAt ?? Infinity, ticket?.endsAt ?? Infinity)
  }

  #deleteUpload(confirmKey: string): OpenEntry | undefined {
    const entry = this.#uploads.get(confirmKey)
    if (entry) this.#delete('uploads', this.#uploads, confirmKey)
    return entry
  }

  /** Puts an entry at the end of its map. */
  #put<T>(table: LedgerTable, map: Map<string, T>, id: string, value: T): void {
    map.delete(id)
    map.set(id, value)
    this.#rows.put(table, id, value)
  }

  #delete(table: LedgerTable, map: Map<string, unknown>, id: string): void {
    if (map.delete(id)) this.#rows.delete(table, id)
  }
}

function confirmKeyOf(record: ReplayRecord): string | undefined {
  return record.outcome === 'upload' ? record.confirmKey : undefined
}

/** What a repeat of the begin finds. */
export function toReplay(record: BeginOutcomeRecord): ReplayRecord {
  if (record.outcome !== 'upload') return record
  const { confirmKey, method } = record.upload
  return { outcome: 'upload', confirmKey, method }
}
