import {
  type BeginOutcomeRecord,
  type Idempotency,
  KEY_RETENTION_MS,
  type LedgerLimits,
  type Ticket,
} from '../../ledger/ledger.ts'
import { type LedgerTable, UserLedger } from '../../ledger/user-ledger.ts'

/** How often an object looks for entries that have ended, milliseconds. Calls of the user do so as well. */
const SWEEP_INTERVAL_MS = KEY_RETENTION_MS

/** The part of a Durable Object's storage that the ledger uses. */
export interface ObjectStorage {
  sql: { exec(query: string, ...values: string[]): Iterable<Record<string, unknown>> }
  setAlarm(at: number): Promise<void>
  deleteAll(): Promise<void>
}

/** A call of the gateway. The limits and the time are the gateway's. */
export type LedgerCall = { limits: LedgerLimits; now: number } & (
  | { name: 'begin'; idempotency: Idempotency | undefined; replaces: string | undefined }
  | { name: 'count' }
  | { name: 'began'; ticket: Ticket; record: BeginOutcomeRecord }
  | { name: 'failed'; ticket: Ticket }
  | { name: 'ended'; confirmKey: string; how: 'completed' | 'aborted' }
  | { name: 'list' }
)

/**
 * The ledger of one user as a Durable Object. All isolates share it. Each call is one synchronous block. The
 * state is in memory, and each change of it is written to SQLite.
 */
export class LedgerObject {
  readonly #storage: ObjectStorage
  readonly #options: ConstructorParameters<typeof UserLedger>[0]
  readonly #user: UserLedger
  #now = 0
  /** An object without entries has no table, so that the platform can remove it. */
  #hasTable = false

  constructor({ storage }: { storage: ObjectStorage }) {
    this.#storage = storage
    const clock = () => this.#now
    this.#options = {
      limits: { perMinute: 0, maxOpen: 0, maxAgeMs: 0, runningMs: 0 },
      clock,
      // The state outlives the object, so the rate needs a clock that does too.
      monotonicClock: clock,
      rows: {
        put: (table, id, value) => this.#put(table, id, JSON.stringify(value)),
        delete: (table, id) => {
          storage.sql.exec('DELETE FROM entries WHERE part = ? AND id = ?', table, id)
        },
      },
    }
    this.#user = new UserLedger(this.#options)
    this.#restore()
  }

  /** Answers a {@link LedgerCall}. */
  async fetch(request: Request): Promise<Response> {
    const call = (await request.json()) as LedgerCall
    this.#options.limits = call.limits
    this.#now = call.now
    return Response.json(this.#answer(call) ?? null)
  }

  async alarm(): Promise<void> {
    this.#user.dropEnded(Date.now())
    if (!this.#user.isEmpty) return this.#storage.setAlarm(Date.now() + SWEEP_INTERVAL_MS)
    this.#hasTable = false
    return this.#storage.deleteAll()
  }

  #answer(call: LedgerCall): unknown {
    switch (call.name) {
      case 'begin':
        return this.#user.begin(call.idempotency, call.replaces)
      case 'count':
        return this.#user.count()
      case 'began':
        return this.#user.began(call.ticket, call.record)
      case 'failed':
        return this.#user.failed(call.ticket)
      case 'ended':
        return this.#user.ended(call.confirmKey, call.how)
      case 'list':
        return this.#user.list()
    }
  }

  #put(table: LedgerTable, id: string, value: string): void {
    const { sql } = this.#storage
    if (!this.#hasTable) {
      // A row that is replaced gets a new rowid, so the rowids are in the order of the writes.
      sql.exec('CREATE TABLE entries (part TEXT, id TEXT, value TEXT, PRIMARY KEY (part, id))')
      void this.#storage.setAlarm(Date.now() + SWEEP_INTERVAL_MS)
      this.#hasTable = true
    }
    sql.exec('INSERT OR REPLACE INTO entries (part, id, value) VALUES (?, ?, ?)', table, id, value)
  }

  #restore(): void {
    const { sql } = this.#storage
    const [table] = [...sql.exec("SELECT name FROM sqlite_master WHERE name = 'entries'")]
    this.#hasTable = table !== undefined
    if (!this.#hasTable) return
    for (const { part, id, value } of sql.exec(
      'SELECT part, id, value FROM entries ORDER BY rowid',
    )) {
      this.#user.restore(part as LedgerTable, id as string, JSON.parse(value as string))
    }
  }
}
