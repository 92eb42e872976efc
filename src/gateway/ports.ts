import type { Config } from './config/parse.ts'
import type { HttpClient } from './http-client.ts'
import type { Ledger } from './ledger/ledger.ts'
import type { LogRecord } from './log-record.ts'

export type { LogRecord }

/** Returns milliseconds. Tests replace it. */
export type Clock = () => number

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug'

export type Log = (level: LogLevel, record: LogRecord) => void

/**
 * Lets concurrent callers of the same key share one result. On Node they share one promise. On Workers a
 * request must not await I/O of another request, so a few callers obtain the value separately. The others
 * share the settled result.
 */
export type SingleFlight = <T>(key: string, obtain: () => Promise<T>) => Promise<T>

/** Lets `work` continue after the response. On Workers this is `ctx.waitUntil`. `work` never rejects. */
export type Background = (work: Promise<void>) => void

/** The part of a platform's execution context that the gateway uses. */
export interface Execution {
  waitUntil(work: Promise<unknown>): void
  passThroughOnException(): void
  props: unknown
}

/** How many other calls a user may make for each begin that `RATE_LIMIT_PER_MINUTE` allows. */
export const OTHER_CALLS_PER_BEGIN = 10

/** Limits how often a user may call. */
export interface RateLimiter {
  /** Counts one request of this user. Returns 0 if it is allowed, otherwise the seconds to wait. */
  consume(userId: string): number | Promise<number>
}

/** Why a token is invalid. For the log and the metrics, never for the client. */
export const invalidTokenReasons = [
  'malformed',
  'type',
  'algorithm',
  'unknown_key',
  'signature',
  'issuer',
  'audience',
  'expired',
  'not_yet_valid',
  'claims',
] as const

export type InvalidTokenReason = (typeof invalidTokenReasons)[number]

/** Receives the values of the operator's metrics. */
export interface Metrics {
  answered(operation: string, status: number, durationMs: number): void
  calledOut(operation: string, outcome: string, durationMs: number): void
  inFlight(requests: number): void
  /** While the circuit is open, the gateway does not call SMH. */
  circuitOpen(isOpen: boolean): void
  /** Only with a shared ledger: whether its store answers. */
  ledgerAvailable(isAvailable: boolean): void
  /** Counts a response with status 401 by its reason. */
  authenticationFailed(reason: string): void
}

/** For runtimes without metrics. */
export const noMetrics: Metrics = {
  answered() {},
  calledOut() {},
  inFlight() {},
  circuitOpen() {},
  ledgerAvailable() {},
  authenticationFailed() {},
}

/** The files of the folder `openapi` that `/openapi.json` and `/docs` serve. */
export type DocsAsset = 'openapi.json' | 'reference.html' | 'reference.css'

/** Reads one asset. Resolves to undefined if the runtime does not have it. */
export type ReadDocsAsset = (name: DocsAsset) => Promise<Uint8Array<ArrayBuffer> | undefined>

/** What a runtime provides to the app. The app uses no globals. */
export interface Ports {
  config: Config
  /** Time since the epoch, for dates that other systems set or read. It may go back. */
  clock: Clock
  /** Time since an arbitrary moment, for durations. It never goes back. */
  monotonicClock: Clock
  log: Log
  httpClient: HttpClient
  singleFlight: SingleFlight
  /** Counts begins, and knows the open uploads. */
  ledger: Ledger
  /** For all other calls of a user together, in this instance. */
  otherCallsRateLimiter: RateLimiter
  metrics: Metrics
  readDocsAsset: ReadDocsAsset
  /** How long the body of a request may take to arrive, milliseconds. Default: 30,000. */
  bodyTimeoutMs?: number | undefined
}
