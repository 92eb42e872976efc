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

/** Limits the users with state. Above it the state of the user who failed longest ago is dropped. */
const MAX_USERS = 10_000

/** Stops calls that would probably fail, for one user or for all, and detects when SMH recovers. */
export interface Circuit {
  /**
   * Wraps `send`. While the calls of this user or of all users fail, it throws SmhError `circuit_open` at
   * once, except for occasional trials. circuit-rules.ts has the rules.
   */
  guard(send: SmhTransport): SmhTransport
  /** Whether calls have failed and SMH has not responded since. It may be down for all users. */
  isInDoubt(): boolean
}

/**
 * Creates the circuit of one gateway. With the circuit breakers of libraries, requests wait for the outcome
 * of a trial. On Workers that outcome never arrives if the platform ends the trial's request. So nothing
 * here is awaited, and another trial replaces one without an outcome.
 *
 * @param deps.trialMs after this time another trial replaces one without an outcome
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
    guard: (send) => async (request, limits) => {
      const admission = enter(request.user)
      try {
        const response = await send(request, limits)
        settle(admission, 'served')
        return response
      } catch (error) {
        settle(admission, verdictOn(error, request), error)
        throw error
      }
    },
    isInDoubt: () => all !== noFailures,
  }
}

/** Classifies a failed call. */
function verdictOn(error: unknown, request: SmhRequest): Verdict {
  if (!(error instanceof SmhError)) return 'unknown'
  const { failure } = error
  switch (failure.kind) {
    case 'connect_failed':
    case 'connection_lost':
      return 'failed'
    case 'timeout':
      return failure.cause === 'smh' ? verdictOnTimeout(request) : 'unknown'
    case 'aborted':
    case 'circuit_open':
      return 'unknown'
    case 'invalid_response':
      return 'refused'
    case 'refused':
      return verdictOnRefusal(failure, request)
  }
}

/** A confirm may take a minute, so its timeout is no sign of an outage. */
function verdictOnTimeout({ timeoutMs }: SmhRequest): Verdict {
  return timeoutMs === undefined ? 'failed' : 'unknown'
}

function verdictOnRefusal(refusal: Refusal, request: SmhRequest): Verdict {
  const meaning = meaningOf(refusal)
  if (refusal.status === 429 || meaning === 'busy') return 'throttled'
  if (meaning === 'timeout') return verdictOnTimeout(request)
  return meaning === 'unavailable' || refusal.status >= 500 ? 'failed' : 'refused'
}
