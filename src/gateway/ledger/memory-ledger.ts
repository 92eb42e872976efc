import { LRUCache } from 'lru-cache'
import type { Ledger } from './ledger.ts'
import { UserLedger, type UserLedgerOptions } from './user-ledger.ts'

/**
 * Limits the users, and what all of them take together, bytes. Above the limits the least recent user is forgotten:
 * the rate starts again, and the list of open uploads is empty.
 */
const MAX_USERS = 50_000
const MAX_BYTES = 80_000_000

/** The ledger of one instance, in this process's memory. Its methods are synchronous. */
export interface MemoryLedger extends Ledger {
  begin(...args: Parameters<Ledger['begin']>): Awaited<ReturnType<Ledger['begin']>>
  count(userId: string): Awaited<ReturnType<Ledger['count']>>
  began(...args: Parameters<Ledger['began']>): void
  failed(...args: Parameters<Ledger['failed']>): void
  ended(...args: Parameters<Ledger['ended']>): void
  list(userId: string): Awaited<ReturnType<Ledger['list']>>
  /** Whether a begin with this Idempotency-Key is running or has an outcome. */
  knowsKey(userId: string, key: string): boolean
}

/** Creates a ledger in memory. It ends with the process. */
export function createMemoryLedger(options: UserLedgerOptions): MemoryLedger {
  let bytes = 0
  const users = new LRUCache<string, UserLedger>({
    max: MAX_USERS,
    dispose: (user) => {
      bytes -= user.bytes
    },
  })

  /** Runs `work` on the ledger of a user, and counts its bytes. */
  function withUser<T>(userId: string, work: (user: UserLedger) => T): T {
    let user = users.get(userId)
    const before = user?.bytes ?? 0
    if (!user) {
      user = new UserLedger(options)
      users.set(userId, user)
    }
    const result = work(user)
    bytes += user.bytes - before
    while (bytes > MAX_BYTES && users.size > 1) users.pop()
    return result
  }

  const knows = (userId: string) => users.has(userId)

  return {
    begin: (userId, idempotency, replaces) =>
      withUser(userId, (user) => user.begin(idempotency, replaces)),
    count: (userId) => withUser(userId, (user) => user.count()),
    began: (userId, ticket, record) => withUser(userId, (user) => user.began(ticket, record)),
    failed: (userId, ticket) => withUser(userId, (user) => user.failed(ticket)),
    ended(userId, confirmKey, how) {
      if (knows(userId)) withUser(userId, (user) => user.ended(confirmKey, how))
    },
    list: (userId) => (knows(userId) ? withUser(userId, (user) => user.list()) : []),
    knowsKey: (userId, key) => users.peek(userId)?.knowsKey(key) ?? false,
  }
}
