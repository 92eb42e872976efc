/*
 * The ledger of begins: for each user the rate, the open uploads, and the outcome of each Idempotency-Key. Its
 * stores: memory-ledger.ts for one instance; Redis and Durable Objects for all instances, in runtimes/.
 */

/** An upload that has begun and has neither completed nor ended. Holds nothing of SMH's. */
export interface OpenUpload {
  /** The gateway's. */
  confirmKey: string
  /** A hash of the space and folder, in which alone a user can use the upload. */
  scope: string
  /** Relative to the user's folder, as requested at begin. */
  path: readonly string[]
  /** Bytes, as declared at begin. */
  size: number
  method: 'multipart' | 'simple'
  /** Milliseconds since the epoch. */
  beganAt: number
  /** Milliseconds since the epoch. */
  endsAt: number
}

/** The Idempotency-Key of a begin. Both are hashes, so that no text of a client is stored. */
export interface Idempotency {
  key: string
  /** Of the whole request. A request with the same key and another fingerprint is refused. */
  fingerprint: string
}

/** The outcome of a begin, for replays. */
export type BeginOutcomeRecord =
  | { outcome: 'upload'; upload: OpenUpload }
  /** An instant upload: the file is at `path`, from the root of the space. */
  | { outcome: 'stored'; path: readonly string[] }
  | { outcome: 'full_hash_required' }

/** What a repeated begin finds. */
export type ReplayRecord =
  | { outcome: 'upload'; confirmKey: string; method: OpenUpload['method'] }
  | Exclude<BeginOutcomeRecord, { outcome: 'upload' }>
  /** The upload is complete. */
  | { outcome: 'complete' }

/** The begins that a user may still make. */
export interface RateState {
  /** Begins that are allowed at once. */
  remaining: number
  /** Seconds until `remaining` grows, rounded up. */
  resetSeconds: number
}

/** One counted begin. */
export interface CountedBegin {
  /** Undefined where the store can only tell yes or no, and where the rate is not limited. */
  rate: RateState | undefined
  /** 0: allowed. Otherwise the milliseconds to wait. A refused begin does not count. */
  waitMs: number
}

/** Identifies a begin that was admitted, until its outcome is known. */
export interface Ticket {
  readonly id: string
  readonly idempotency: Idempotency | undefined
}

/** What a begin may do. */
export type BeginDecision = Pick<CountedBegin, 'rate'> &
  (
    | { kind: 'admitted'; ticket: Ticket }
    | { kind: 'replay'; record: ReplayRecord }
    | { kind: 'rate_limited'; waitMs: number }
    /** `waitMs`: when the first open upload reaches its own end. */
    | { kind: 'too_many_open'; waitMs: number }
    /** The first request with this key is still running. */
    | { kind: 'in_progress' }
    /** The key belongs to another request. */
    | { kind: 'key_reused' }
  )

type Awaitable<T> = T | Promise<T>

/**
 * What the gateway knows about the begins of each user. User ids are unique within the realm of a gateway:
 * its issuer, user claim and library.
 */
export interface Ledger {
  /**
   * Decides about one begin, in one step. Checks in this order: the rate, the Idempotency-Key, the number of
   * open uploads. An admitted begin takes a place among the open uploads until `began` or `failed`.
   *
   * @param replaces the confirm key of a replay that cannot be renewed and has been cancelled since. The begin is
   *   admitted in its place if the record of the Idempotency-Key still has it, and is not counted again
   */
  begin(userId: string, idempotency?: Idempotency, replaces?: string): Awaitable<BeginDecision>
  /** Counts a begin that is refused for another reason. */
  count(userId: string): Awaitable<CountedBegin>
  /** Keeps the outcome of an admitted begin. */
  began(userId: string, ticket: Ticket, record: BeginOutcomeRecord): Awaitable<void>
  /** Forgets an admitted begin that failed. Its Idempotency-Key is free again. */
  failed(userId: string, ticket: Ticket): Awaitable<void>
  /**
   * Ends an open upload. After `completed` a replay of its begin finds `complete`. After `aborted` its
   * Idempotency-Key is free.
   */
  ended(userId: string, confirmKey: string, how: 'completed' | 'aborted'): Awaitable<void>
  /** The open uploads, newest first. */
  list(userId: string): Awaitable<readonly OpenUpload[]>
}

export interface LedgerLimits {
  /** Begins of a user in a minute. 0: not limited. */
  perMinute: number
  /** Open uploads of a user. 0: not limited. */
  maxOpen: number
  /** How long an upload may stay open, and the longest time that anything is kept, milliseconds. */
  maxAgeMs: number
  /** How long a begin may run, milliseconds. After this time its ticket is void. */
  runningMs: number
}

/** How long the outcome of an Idempotency-Key is kept, milliseconds, unless the upload ends sooner. */
export const KEY_RETENTION_MS = 24 * 60 * 60 * 1000

/**
 * How many open uploads of a user are kept when their number is not limited. Further ones replace the
 * oldest in the list.
 */
const MAX_LISTED = 200

/** The length of the longest list of open uploads. */
export function maxListedOf({ maxOpen }: Pick<LedgerLimits, 'maxOpen'>): number {
  return maxOpen || MAX_LISTED
}
