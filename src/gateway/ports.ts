import type { Config } from './config/parse.ts'
import type { HttpClient } from './http-client.ts'
import type { LogRecord } from './log-record.ts'

export type { LogRecord }

/** Milliseconds. Tests move it. */
export type Clock = () => number

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug'

export type Log = (level: LogLevel, record: LogRecord) => void

/**
 * How callers that want the same thing at the same time obtain it. On Node they share one flight.
 * On Workers a request must not await I/O that another request began, so a few fly, each for itself,
 * and only settled values are shared.
 */
export type SingleFlight = <T>(key: string, obtain: () => Promise<T>) => Promise<T>

/** Lets `work` go on after the response. On Workers this is `ctx.waitUntil`. `work` never rejects. */
export type Background = (work: Promise<void>) => void

/** The part of a platform's execution context that is needed. */
export interface Execution {
  waitUntil(work: Promise<unknown>): void
  passThroughOnException(): void
  props: unknown
}

/** Calls that a user may make besides, for each begin that `RATE_LIMIT_PER_MINUTE` allows. */
export const OTHER_CALLS_PER_BEGIN = 10

/** Limits how often a user may call. */
export interface RateLimiter {
  /** Counts one request of this user. Resolves to 0 when it is allowed, otherwise to seconds to wait. */
  consume(userId: string): Promise<number>
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

/** What an operator watches. */
export interface Metrics {
  answered(operation: string, status: number, durationMs: number): void
  calledOut(operation: string, outcome: string, durationMs: number): void
  inFlight(requests: number): void
  /** While it is open SMH is taken to be down and is not called. */
  circuitOpen(isOpen: boolean): void
  /** A request was answered 401, for this reason. */
  authenticationFailed(reason: string): void
}

/** For runtimes without metrics. */
export const noMetrics: Metrics = {
  answered() {},
  calledOut() {},
  inFlight() {},
  circuitOpen() {},
  authenticationFailed() {},
}

/** What `/openapi.json` and `/docs` are made of: files of the folder `openapi`. */
export type DocsAsset = 'openapi.json' | 'reference.html' | 'reference.css'

/** Reads one of them; undefined where the runtime does not have them. */
export type ReadDocsAsset = (name: DocsAsset) => Promise<Uint8Array<ArrayBuffer> | undefined>

/** What an app is made of. An entry fills it for its runtime; nothing is looked up in a global. */
export interface Ports {
  config: Config
  /** Since the epoch, for dates that others have set or will read. Machines set it back at times. */
  clock: Clock
  /** Since some moment or other, for how long a thing lasts. It never goes back. */
  monotonicClock: Clock
  log: Log
  httpClient: HttpClient
  singleFlight: SingleFlight
  /** For calls that begin an upload. */
  beginRateLimiter: RateLimiter
  /** For all other calls of a user together. */
  otherCallsRateLimiter: RateLimiter
  metrics: Metrics
  readDocsAsset: ReadDocsAsset
  /** How long the body of a request may take to arrive, milliseconds. Default: 30,000. */
  bodyTimeoutMs?: number | undefined
}
