import { adviceFor } from '../advice.ts'
import { GatewayError } from '../errors.ts'
import type { LogReason } from '../log-record.ts'
import type { Clock, Log, LogLevel, Metrics } from '../ports.ts'
import type { Authenticate, User } from './authenticate.ts'

/**
 * Length of the windows in which requests are counted, milliseconds. Each window has at most one log line.
 */
const WINDOW_MS = 60_000

/** Minimum number of refused requests for a log line. Fewer do not indicate a wrong configuration. */
const MIN_REFUSED = 10

/** Minimum number of different refused tokens. Fewer may all come from one broken app. */
const MIN_TOKENS = 5

/** Minimum ratio of refused to valid requests. Apps that refresh their tokens late cause a lower one. */
const REFUSED_FOR_EACH_GOOD = 4

/**
 * Reasons that point to the operator when nearly all tokens have them. The signature is verified first, so
 * the issuer has signed these tokens, and an attacker cannot cause the log line.
 */
const suspicious: ReadonlySet<LogReason> = new Set([
  'audience',
  'issuer',
  'expired',
  'not_yet_valid',
])

/** The requests of one window: valid ones, and those refused for one reason. */
export interface TokenCounts {
  good: number
  refused: number
  /** Different tokens among the refused requests, at most 5. */
  tokens: number
}

/**
 * Whether these counts suggest a wrong clock or configuration: `error` when no token is valid, `warn` when
 * few are, otherwise undefined.
 */
export function suspectedFault({ good, refused, tokens }: TokenCounts): LogLevel | undefined {
  if (refused < MIN_REFUSED || tokens < MIN_TOKENS) return undefined
  if (good === 0) return 'error'
  return refused >= REFUSED_FOR_EACH_GOOD * good ? 'warn' : undefined
}

interface Refused {
  requests: number
  tokens: Set<string>
}

/** The current window. */
interface WatchState {
  startedAt: number
  good: number
  refused: Map<LogReason, Refused>
  /** No log line before this time. */
  quietUntil: number
}

/**
 * Adds counters to `authenticate`: each 401 by its reason. When many tokens are refused and few are valid,
 * one log line `tokens_refused` a minute names the likely cause.
 */
export function watchAuthentication(deps: {
  authenticate: Authenticate
  monotonicClock: Clock
  log: Log
  metrics: Metrics
}): Authenticate {
  const { authenticate, monotonicClock, log, metrics } = deps
  const state: WatchState = {
    startedAt: monotonicClock(),
    good: 0,
    refused: new Map(),
    quietUntil: Number.NEGATIVE_INFINITY,
  }

  function startWindow(): void {
    state.startedAt = monotonicClock()
    state.good = 0
    state.refused.clear()
  }

  function countRefused(reason: LogReason, authorization: string): void {
    const counts = state.refused.get(reason) ?? { requests: 0, tokens: new Set() }
    state.refused.set(reason, counts)
    counts.requests += 1
    if (counts.tokens.size < MIN_TOKENS) counts.tokens.add(authorization)
    const { good, quietUntil } = state
    const level = suspectedFault({ good, refused: counts.requests, tokens: counts.tokens.size })
    if (!level || monotonicClock() < quietUntil) return
    state.quietUntil = monotonicClock() + WINDOW_MS
    log(level, {
      event: 'tokens_refused',
      reason,
      count: counts.requests,
      advice: adviceFor({ reason }),
    })
  }

  function countValid(user: User): User {
    state.good += 1
    return user
  }

  function countFailure(error: unknown, authorization: string | undefined): never {
    if (error instanceof GatewayError && error.status === 401) {
      const { reason } = error.details
      metrics.authenticationFailed(reason ?? error.code)
      if (reason && suspicious.has(reason)) countRefused(reason, authorization ?? '')
    }
    throw error
  }

  return function authenticateWatched(authorization, background) {
    if (monotonicClock() - state.startedAt >= WINDOW_MS) startWindow()
    const user = authenticate(authorization, background)
    if (!(user instanceof Promise)) return countValid(user)
    return user.then(countValid, (error: unknown) => countFailure(error, authorization))
  }
}
