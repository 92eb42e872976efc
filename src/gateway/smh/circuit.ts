import { LRUCache } from 'lru-cache'
import { GatewayError } from '../errors.ts'
import { errorFields } from '../http/access-log.ts'
import type { Clock, Log, Metrics } from '../ports.ts'
import {
  type Admission,
  admit,
  allAfter,
  noFailures,
  TRIAL_MS,
  type UserState,
  userAfter,
  type Verdict,
} from './circuit-rules.ts'
import { upstreamUnavailable } from './error-codes.ts'
import type { CallSmh, SmhCall } from './transport.ts'

/** Users whose calls fail, at once. Beyond it the state of the user who failed longest ago is dropped. */
const MAX_USERS = 10_000

/** Refuses calls that are not worth making, of one user or of all, and finds out when they are again. */
export interface Circuit {
  /**
   * `callSmh`, but while the calls of this user or of all fail: then it throws `upstream_unavailable` at
   * once, and lets a trial through now and then. circuit-rules.ts has the rules.
   */
  guard(callSmh: CallSmh): CallSmh
  /** Whether calls have failed and SMH has answered none since: it may be down for all. */
  isInDoubt(): boolean
}

/**
 * A circuit of one gateway. Libraries have breakers whose callers wait for the outcome of a trial. On
 * Workers that outcome never comes when the platform ends the trial's request. So nothing here is awaited,
 * and a trial without an outcome makes room for another one.
 *
 * @param deps.trialMs how long a trial may stay without an outcome
 */
export function createCircuit(deps: {
  monotonicClock: Clock
  log: Log
  metrics: Metrics
  trialMs: number
}): Circuit {
  const { monotonicClock, log, metrics, trialMs } = deps
  const users = new LRUCache<string, UserState>({ max: MAX_USERS })
  let all = noFailures

  function keepUser(id: string | undefined, state: UserState | undefined): void {
    if (id === undefined) return
    if (state) users.set(id, state)
    else users.delete(id)
  }

  function enter(id: string | undefined): Admission {
    const user = id === undefined ? undefined : users.get(id)
    const decision = admit(all, user, id, monotonicClock(), trialMs)
    if ('refused' in decision) throw refusal(decision.refused, decision.waitMs)
    all = decision.all
    keepUser(id, decision.user)
    return decision.admitted
  }

  function settle(admission: Admission, verdict: Verdict, error?: unknown): void {
    const now = monotonicClock()
    const id = admission.user
    if (id !== undefined) keepUser(id, userAfter(users.get(id), admission, verdict, now))
    const wasOpen = all.open !== undefined
    all = allAfter(all, admission, verdict, now)
    const isOpen = all.open !== undefined
    if (isOpen === wasOpen) return
    metrics.circuitOpen(isOpen)
    if (isOpen) log('warn', { event: 'SMH circuit opened', ...errorFields(error) })
    else log('warn', { event: 'SMH circuit closed' })
  }

  return {
    guard: (callSmh) => async (call, bounds) => {
      const admission = enter(call.user)
      try {
        const reply = await callSmh(call, bounds)
        settle(admission, 'served')
        return reply
      } catch (error) {
        settle(admission, verdictOn(error, call), error)
        throw error
      }
    },
    isInDoubt: () => all !== noFailures,
  }
}

/** Ends of a call that say nothing of SMH: the caller left, or the gateway itself was slow. */
const silent = new Set(['caller_left', 'out_of_time', 'stalled'])

function verdictOn(error: unknown, call: SmhCall): Verdict {
  if (!(error instanceof GatewayError)) return 'unknown'
  const { reason, smhStatus = 0 } = error.facts
  if (reason !== undefined && silent.has(reason)) return 'unknown'
  if (smhStatus === 429 || reason === 'busy') return 'throttled'
  if (error.code === 'upstream_timeout') {
    // A confirm may take long.
    return call.timeoutMs === undefined ? 'failed' : 'unknown'
  }
  return error.code === 'upstream_unavailable' || smhStatus >= 500 ? 'failed' : 'refused'
}

function refusal(whose: 'user' | 'all', waitMs: number): GatewayError {
  const seconds = Math.max(1, Math.ceil(Math.min(waitMs, TRIAL_MS) / 1000))
  const reason = whose === 'all' ? 'circuit_open' : 'user_circuit_open'
  return upstreamUnavailable(reason, { headers: { 'Retry-After': String(seconds) } })
}
