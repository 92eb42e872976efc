import { adviceFor } from '../advice.ts'
import { GatewayError } from '../errors.ts'
import type { LogReason } from '../log-record.ts'
import type { Clock, Log, LogLevel, Metrics } from '../ports.ts'
import type { Authenticate } from './authenticate.ts'

/** Requests are counted for this long, and at most one fault is logged in this time, milliseconds. */
const WINDOW_MS = 60_000

/** Fewer refused requests say nothing about the configuration. */
const MIN_REFUSED = 10

/** Fewer different tokens may all be of one broken app. Keeping more of them serves nothing. */
const MIN_TOKENS = 5

/** As many refused requests for each good one are more than the usual share of late apps. */
const REFUSED_FOR_EACH_GOOD = 4

/**
 * Reasons that are more likely a fault of the operator's than of the callers' when nearly all tokens
 * have it. The issuer has signed these tokens: the signature is checked first. So a stranger cannot
 * cause the log line.
 */
const suspicious: ReadonlySet<LogReason> = new Set([
  'audience',
  'issuer',
  'expired',
  'not_yet_valid',
])

/** Requests of one window: good ones, and those that were refused for one reason. */
export interface TokenCounts {
  good: number
  refused: number
  /** Different tokens among the refused ones, counted up to 5. */
  tokens: number
}

/**
 * Whether counts like these mean a wrong clock or configuration: `error` when no token is good, `warn`
 * when few are, otherwise undefined.
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

/**
 * `authenticate`, with each 401 counted by its reason. When many tokens are refused and few are good, so
 * that the clock or the configuration must be wrong, one line `tokens_refused` a minute says so.
 */
export function watchAuthentication(deps: {
  authenticate: Authenticate
  monotonicClock: Clock
  log: Log
  metrics: Metrics
}): Authenticate {
  const { authenticate, monotonicClock, log, metrics } = deps
  let startedAt = monotonicClock()
  let good = 0
  const refused = new Map<LogReason, Refused>()
  let quietUntil = Number.NEGATIVE_INFINITY

  function startWindow(): void {
    startedAt = monotonicClock()
    good = 0
    refused.clear()
  }

  function countRefused(reason: LogReason, authorization: string): void {
    const counts = refused.get(reason) ?? { requests: 0, tokens: new Set() }
    refused.set(reason, counts)
    counts.requests += 1
    if (counts.tokens.size < MIN_TOKENS) counts.tokens.add(authorization)
    const level = suspectedFault({ good, refused: counts.requests, tokens: counts.tokens.size })
    if (!level || monotonicClock() < quietUntil) return
    quietUntil = monotonicClock() + WINDOW_MS
    log(level, {
      event: 'tokens_refused',
      reason,
      count: counts.requests,
      advice: adviceFor({ reason }),
    })
  }

  return async function authenticateWatched(authorization, background) {
    if (monotonicClock() - startedAt >= WINDOW_MS) startWindow()
    try {
      const user = await authenticate(authorization, background)
      good += 1
      return user
    } catch (error) {
      if (error instanceof GatewayError && error.status === 401) {
        const { reason } = error.details
        metrics.authenticationFailed(reason ?? error.code)
        if (reason && suspicious.has(reason)) countRefused(reason, authorization ?? '')
      }
      throw error
    }
  }
}
