import { LRUCache } from 'lru-cache'
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
import { meaningOf } from './error-codes.ts'
import { smhLogFields } from './failure-log.ts'
import { type Refusal, SmhError } from './smh-error.ts'
import type { SmhRequest, SmhTransport } from './transport.ts'

/** Users whose calls fail, at once. Beyond it the state of the user who failed longest ago is dropped. */
const MAX_USERS = 10_000

/** Refuses calls that are not worth making, of one user or of all, and finds out when they are again. */
export interface Circuit {
  /**
   * `send`, but while the calls of this user or of all fail: then it throws SmhError `circuit_open` at
   * once, and lets a trial through now and then. circuit-rules.ts has the rules.
   */
  guard(send: SmhTransport): SmhTransport
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
    if ('refused' in decision) {
      const waitMs = Math.min(decision.waitMs, TRIAL_MS)
      throw new SmhError({ kind: 'circuit_open', scope: decision.refused, waitMs })
    }
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
    const why = error instanceof SmhError ? smhLogFields(error.failure) : {}
    if (isOpen) log('warn', { event: 'smh_circuit_opened', ...why })
    else log('warn', { event: 'smh_circuit_closed' })
  }

  return {
    guard: (send) => async (call, limits) => {
      const admission = enter(call.user)
      try {
        const reply = await send(call, limits)
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

/** What a failed call says about SMH. */
function verdictOn(error: unknown, call: SmhRequest): Verdict {
  if (!(error instanceof SmhError)) return 'unknown'
  const { failure } = error
  switch (failure.kind) {
    case 'connect_failed':
    case 'connection_lost':
      return 'failed'
    case 'timeout':
      return failure.cause === 'smh' ? verdictOnTimeout(call) : 'unknown'
    case 'aborted':
    case 'circuit_open':
      return 'unknown'
    case 'invalid_response':
      return 'refused'
    case 'refused':
      return verdictOnRefusal(failure, call)
  }
}

/** A confirm may take long. */
function verdictOnTimeout({ timeoutMs }: SmhRequest): Verdict {
  return timeoutMs === undefined ? 'failed' : 'unknown'
}

function verdictOnRefusal(refusal: Refusal, call: SmhRequest): Verdict {
  const meaning = meaningOf(refusal)
  if (refusal.status === 429 || meaning === 'busy') return 'throttled'
  if (meaning === 'timeout') return verdictOnTimeout(call)
  return meaning === 'unavailable' || refusal.status >= 500 ? 'failed' : 'refused'
}
