import { LRUCache } from 'lru-cache'
import { GatewayError } from '../errors.ts'
import type {
  BeginDecision,
  CountedBegin,
  Idempotency,
  Ledger,
  RateState,
} from '../ledger/ledger.ts'
import type { Clock } from '../ports.ts'
import type { Step } from './pipeline.ts'
import type { RequestContext } from './request-context.ts'

/** Limits the users that are known to be at their limit. Above it the least recent one costs a look again. */
const MAX_LIMITED_USERS = 10_000

/** What the ledger allows. All refusals by rate have been thrown. */
export type AdmittedBegin = Exclude<BeginDecision, { kind: 'rate_limited' }>

/** Counts the begins of each user and announces the limit, in draft-ietf-httpapi-ratelimit-headers. */
export interface BeginLimit {
  /**
   * A step that announces the limit, and refuses the requests of a user who has to wait. Such a request is refused
   * before its body is read. A request that a later step refuses is counted, too.
   */
  announce: Step
  /**
   * Asks the ledger about one begin.
   *
   * @throws GatewayError `rate_limited`
   */
  begin(
    request: RequestContext,
    idempotency: Idempotency | undefined,
    replaces?: string,
  ): Promise<AdmittedBegin> | AdmittedBegin
}

/** @param perMinute 0: begins are not limited, and nothing is announced */
export function createBeginLimit(
  ledger: Ledger,
  perMinute: number,
  monotonicClock: Clock,
): BeginLimit {
  /** By user id, until when the user has to wait. */
  const limited = new LRUCache<string, number>({ max: MAX_LIMITED_USERS })
  const policy = `"begins";q=${perMinute};w=60`

  function announceRate({ responseHeaders }: RequestContext, rate: RateState | undefined): void {
    if (rate) responseHeaders.RateLimit = `"begins";r=${rate.remaining};t=${rate.resetSeconds}`
  }

  function noteCounted(request: RequestContext, rate: RateState | undefined): void {
    request.isBeginCounted = true
    announceRate(request, rate)
  }

  function refuse(request: RequestContext, waitMs: number): never {
    request.isBeginCounted = true
    const headers = { 'Retry-After': String(Math.ceil(waitMs / 1000)) }
    const detail = 'Too many uploads begun within a short time.'
    throw new GatewayError('rate_limited', detail, { headers })
  }

  /** Refuses a begin that the ledger has not allowed. */
  function refuseCounted(request: RequestContext, { rate, waitMs }: CountedBegin): never {
    // Only a store that counts exactly knows when the user may begin again.
    if (rate) limited.set(request.user.id, monotonicClock() + waitMs)
    return refuse(request, waitMs)
  }

  function noteDecision(request: RequestContext, decision: BeginDecision): AdmittedBegin {
    noteCounted(request, decision.rate)
    return decision.kind === 'rate_limited' ? refuseCounted(request, decision) : decision
  }

  /** Counts a request that was refused before the ledger knew it. */
  async function countRefused(request: RequestContext, error: unknown): Promise<unknown> {
    if (request.isBeginCounted) return error
    const counted = await ledger.count(request.user.id)
    noteCounted(request, counted.rate)
    return counted.waitMs > 0 ? refuseCounted(request, counted) : error
  }

  return {
    announce(request) {
      if (perMinute === 0) return undefined
      request.onRefused = countRefused
      request.responseHeaders['RateLimit-Policy'] = policy
      const until = limited.get(request.user.id)
      if (until === undefined) return undefined
      const waitMs = until - monotonicClock()
      if (waitMs <= 0) {
        limited.delete(request.user.id)
        return undefined
      }
      announceRate(request, { remaining: 0, resetSeconds: Math.ceil(waitMs / 1000) })
      return refuse(request, waitMs)
    },

    begin(request, idempotency, replaces) {
      const decision = ledger.begin(request.user.id, idempotency, replaces)
      return decision instanceof Promise
        ? decision.then((decided) => noteDecision(request, decided))
        : noteDecision(request, decision)
    },
  }
}
