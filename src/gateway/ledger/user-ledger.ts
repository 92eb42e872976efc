import type { Clock } from '../ports.ts'
import { countCall } from './gcra.ts'
import {
  type BeginDecision,
  type BeginOutcomeRecord,
  type CountedBegin,
  type Idempotency,
  KEY_RETENTION_MS,
  type LedgerLimits,
  maxListedOf,
  type OpenUpload,
  type ReplayRecord,
  type Ticket,
} from './ledger.ts'

/** Limits the Idempotency-Keys of one user. Above it the oldest are dropped. */
export const MAX_KEYS = 10_000

/** Limits their size, bytes: keys of 400 bytes reach both limits at once. */
const MAX_KEY_BYTES = 4_000_000

/** About what a user without entries takes, and what an entry takes besides its path, bytes. */
const USER_BYTES = 700
const ENTRY_BYTES = 400

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

interface OpenEntry {
  upload: OpenUpload
  /** The Idempotency-Key of its begin. */
  key: string | undefined
}

/** The ticket of a begin of which nothing is kept while it runs. */
const UNTRACKED: Ticket = { id: '', idempotency: undefined }

interface KeyEntry extends Ending {
  fingerprint: string
  /** The outcome; undefined while the first request is running. */
  record: ReplayRecord | undefined
  /** The ticket of the running request. */
  ticket?: string
}

/** Makes the ids of tickets unique among all processes. */
let processId: string | undefined
let admitted = 0

function nextTicketId(): string {
  // Not at the start: Workers have no random numbers then.
  processId ??= crypto.randomUUID()
  admitted += 1
  return `${processId}.${admitted}`
}

/** About what an entry with this path takes, bytes. */
function bytesOf(path: readonly string[] = []): number {
  let bytes = ENTRY_BYTES
  for (const name of path) bytes += 2 * name.length + 32
  return bytes
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
 * Uploads and keys are in the order of their begins, which is also that of their ends: all uploads may stay open for
 * the same time, and so may all keys.
 */
export class UserLedger {
  readonly #options: UserLedgerOptions
  readonly #rows: LedgerRows
  /** The state of {@link countCall}. */
  #doneAt = 0
  /** Begins that are running, by ticket. They take a place among the open uploads, if these are limited. */
  readonly #tickets = new Map<string, Ending>()
  /** A list, not a map: a map would hash each confirm key, and few uploads end while many are open. */
  readonly #uploads: OpenEntry[] = []
  readonly #keys = new Map<string, KeyEntry>()
  #uploadBytes = 0
  #keyBytes = 0

  constructor(options: UserLedgerOptions) {
    this.#options = options
    this.#rows = options.rows ?? noRows
  }

  get isEmpty(): boolean {
    return this.#tickets.size === 0 && this.#uploads.length === 0 && this.#keys.size === 0
  }

  /** About how many bytes it takes. */
  get bytes(): number {
    return USER_BYTES + this.#tickets.size * ENTRY_BYTES + this.#uploadBytes + this.#keyBytes
  }

  /** Restores one row that {@link LedgerRows} has kept. Rows of a table come in the order of their writes. */
  restore(table: LedgerTable, id: string, value: unknown): void {
    if (table === 'rate') this.#doneAt = value as number
    else if (table === 'tickets') this.#tickets.set(id, value as Ending)
    else if (table === 'uploads') this.#addUpload(value as OpenEntry)
    else this.#setKey(id, value as KeyEntry)
  }

  count(): CountedBegin {
    const { limits, monotonicClock } = this.#options
    if (limits.perMinute === 0) return { rate: undefined, waitMs: 0 }
    const counted = countCall(this.#doneAt, monotonicClock(), limits.perMinute)
    const { doneAt, rate, waitMs } = counted
    this.#doneAt = doneAt
    if (waitMs === 0) this.#rows.put('rate', '', doneAt)
    return { rate, waitMs }
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
      if (maxOpen > 0 && this.#tickets.size + this.#uploads.length >= maxOpen) {
        return { kind: 'too_many_open', rate, waitMs: this.#firstEnd() - now }
      }
    }
    if (replaces !== undefined) this.#deleteUpload(replaces)
    return { kind: 'admitted', rate, ticket: this.#admit(idempotency, now) }
  }

  #admit(idempotency: Idempotency | undefined, now: number): Ticket {
    const { maxOpen, runningMs } = this.#options.limits
    if (maxOpen === 0 && !idempotency) return UNTRACKED
    const ticket = { id: nextTicketId(), idempotency }
    const endsAt = now + runningMs
    if (maxOpen > 0) {
      this.#tickets.set(ticket.id, { endsAt })
      this.#rows.put('tickets', ticket.id, { endsAt })
    }
    if (idempotency) {
      const { key, fingerprint } = idempotency
      this.#putKey(key, { fingerprint, endsAt, record: undefined, ticket: ticket.id })
    }
    return ticket
  }

  began({ id, idempotency }: Ticket, record: BeginOutcomeRecord): void {
    this.#deleteTicket(id)
    const now = this.#options.clock()
    const endsAt = record.outcome === 'upload' ? record.upload.endsAt : Number.POSITIVE_INFINITY
    if (record.outcome === 'upload') {
      const { upload } = record
      const entry = { upload, key: idempotency?.key }
      this.#addUpload(entry)
      this.#rows.put('uploads', upload.confirmKey, entry)
      const max = maxListedOf(this.#options.limits)
      while (this.#uploads.length > max) this.#dropOldestUpload()
    }
    if (!idempotency) return
    const { key, fingerprint } = idempotency
    const lastsMs = Math.min(KEY_RETENTION_MS, this.#options.limits.maxAgeMs)
    this.#putKey(key, {
      fingerprint,
      endsAt: Math.min(endsAt, now + lastsMs),
      record: toReplay(record),
    })
    for (const oldest of this.#keys.keys()) {
      if (this.#keys.size <= MAX_KEYS && this.#keyBytes <= MAX_KEY_BYTES) break
      this.#deleteKey(oldest)
    }
  }

  failed({ id, idempotency }: Ticket): void {
    this.#deleteTicket(id)
    // Another begin has the key if this one took longer than its ticket lasts.
    const isOwn = idempotency && this.#keys.get(idempotency.key)?.ticket === id
    if (isOwn) this.#deleteKey(idempotency.key)
  }

  ended(confirmKey: string, how: 'completed' | 'aborted'): void {
    const { key } = this.#deleteUpload(confirmKey) ?? {}
    const known = key === undefined ? undefined : this.#keys.get(key)
    // An upload may stay open for longer than its key, which another begin may have now.
    if (key === undefined || !known?.record || confirmKeyOf(known.record) !== confirmKey) return
    if (how === 'aborted') this.#deleteKey(key)
    else this.#putKey(key, { ...known, record: { outcome: 'complete' } })
  }

  /** Whether a begin with this Idempotency-Key is running or has an outcome. */
  knowsKey(key: string): boolean {
    const known = this.#keys.get(key)
    return known !== undefined && known.endsAt > this.#options.clock()
  }

  list(): OpenUpload[] {
    this.dropEnded(this.#options.clock())
    return this.#uploads.map(({ upload }) => upload).reverse()
  }

  /** Drops what has ended. */
  dropEnded(now: number): void {
    for (const [id, { endsAt }] of this.#tickets) {
      if (endsAt <= now) this.#deleteTicket(id)
    }
    while (this.#uploads[0] && this.#uploads[0].upload.endsAt <= now) this.#dropOldestUpload()
    if (this.#keys.size === 0) return
    for (const [key, { endsAt }] of this.#keys) {
      if (endsAt > now) return
      this.#deleteKey(key)
    }
  }

  #addUpload(entry: OpenEntry): void {
    this.#uploads.push(entry)
    this.#uploadBytes += bytesOf(entry.upload.path)
  }

  #dropOldestUpload(): void {
    const { upload } = this.#uploads.shift()!
    this.#uploadBytes -= bytesOf(upload.path)
    this.#rows.delete('uploads', upload.confirmKey)
  }

  /** When the first place among the open uploads becomes free, if no client ends one sooner. */
  #firstEnd(): number {
    const [open] = this.#uploads
    const [ticket] = this.#tickets.values()
    return Math.min(open?.upload.endsAt ?? Infinity, ticket?.endsAt ?? Infinity)
  }

  #deleteUpload(confirmKey: string): OpenEntry | undefined {
    const index = this.#uploads.findLastIndex(({ upload }) => upload.confirmKey === confirmKey)
    if (index === -1) return undefined
    const [entry] = this.#uploads.splice(index, 1)
    this.#uploadBytes -= bytesOf(entry?.upload.path)
    this.#rows.delete('uploads', confirmKey)
    return entry
  }

  #deleteTicket(id: string): void {
    if (id !== '' && this.#tickets.delete(id)) this.#rows.delete('tickets', id)
  }

  /** Puts the newest key at the end. A key whose upload is complete keeps its place. */
  #putKey(key: string, entry: KeyEntry): void {
    if (entry.record?.outcome !== 'complete') this.#forgetKey(key)
    this.#setKey(key, entry)
    this.#rows.put('keys', key, entry)
  }

  #setKey(key: string, entry: KeyEntry): void {
    this.#keyBytes += keyBytes(entry) - keyBytes(this.#keys.get(key))
    this.#keys.set(key, entry)
  }

  #deleteKey(key: string): void {
    if (this.#forgetKey(key)) this.#rows.delete('keys', key)
  }

  #forgetKey(key: string): boolean {
    this.#keyBytes -= keyBytes(this.#keys.get(key))
    return this.#keys.delete(key)
  }
}

function keyBytes(entry: KeyEntry | undefined): number {
  if (!entry) return 0
  return bytesOf(entry.record?.outcome === 'stored' ? entry.record.path : undefined)
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
