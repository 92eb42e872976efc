import type { SharedLedger } from '../../ledger/fallback-ledger.ts'
import type { BeginDecision, CountedBegin, LedgerLimits, OpenUpload } from '../../ledger/ledger.ts'
import type { Clock } from '../../ports.ts'
import type { LedgerCall } from './ledger-object.ts'

/** The binding `LEDGER`: the objects of the class `LedgerObject`. */
export interface LedgerBinding {
  idFromName(name: string): unknown
  get(id: never): { fetch(url: string, init: RequestInit): Promise<Response> }
}

/** A call without what all calls have. */
type OwnPart<C> = C extends LedgerCall ? Omit<C, 'limits' | 'now'> : never

export interface DurableLedgerOptions {
  binding: LedgerBinding
  /** Separates gateways for other users: its issuer, user claim and library. */
  realm: readonly string[]
  limits: LedgerLimits
  clock: Clock
}

/** Creates the ledger of all isolates. Each user has one Durable Object. */
export function createDurableLedger(options: DurableLedgerOptions): SharedLedger {
  const { binding, realm, limits, clock } = options

  async function ask<T>(userId: string, own: OwnPart<LedgerCall>): Promise<T> {
    const id = binding.idFromName(JSON.stringify([...realm, userId]))
    const body = JSON.stringify({ limits, now: clock(), ...own })
    // The binding ignores the host.
    const response = await binding.get(id as never).fetch('https://ledger.local/', {
      method: 'POST',
      body,
    })
    return response.json() as Promise<T>
  }

  return {
    begin: (userId, idempotency, replaces) =>
      ask<BeginDecision>(userId, { name: 'begin', idempotency, replaces }),
    count: (userId) => ask<CountedBegin>(userId, { name: 'count' }),
    began: (userId, ticket, record) => ask(userId, { name: 'began', ticket, record }),
    failed: (userId, ticket) => ask(userId, { name: 'failed', ticket }),
    ended: (userId, confirmKey, how) => ask(userId, { name: 'ended', confirmKey, how }),
    list: (userId) => ask<OpenUpload[]>(userId, { name: 'list' }),
    async ping() {
      // No user has this id. Reading stores nothing.
      await ask('', { name: 'list' })
    },
  }
}
