import type { Clock, Log, Metrics } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { errorFields } from '../observability.ts'
import type { CallSmh, SmhCall } from './call.ts'
import { upstreamUnavailable } from './error-codes.ts'

/**
 * So many failed calls, one after the other and each after its last try, open the circuit; some count
 * for several. One success among them starts the count anew: what fails for one user while it works for
 * others is not SMH being down.
 */
const FAILURES_TO_OPEN = 10

/** What a failure counts of a call that all users depend on, and that none of them has shaped. */
const WEIGHT_OF_ALL = 4

/** Between two trials of a circuit that is open, milliseconds. */
const OPEN_MS = 5_000

/** Takes SMH to be down when call after call fails, and finds out by itself when it is back. */
export interface Circuit {
  /**
   * `callSmh`, but while SMH is taken to be down: then it throws `upstream_unavailable` at once, and
   * one call in five seconds goes through to see whether SMH is back.
   */
  guard(callSmh: CallSmh): CallSmh
  /** Whether SMH is taken to be down. */
  isOpen(): boolean
}

/**
 * A circuit of one gateway. cockatiel has a breaker, which makes callers wait for the outcome of a
 * trial. On Workers that never comes when the platform ends the trial's request; so nothing here is
 * awaited, and a trial that stays away makes room for another one.
 *
 * @param deps.trialMs how long a trial may stay away
 */
export function createCircuit(deps: {
  steadyClock: Clock
  log: Log
  metrics: Metrics
  trialMs: number
}): Circuit {
  const { steadyClock, log, metrics, trialMs } = deps
  let failures = 0
  /** Whose calls failed; one is enough to tell one from several. */
  let firstUser: string | undefined
  let beyondOneUser = false
  /** Undefined while the circuit is closed. By the steady clock. */
  let nextTrialAt: number | undefined

  /** Whether this call is a trial. Throws when it may not be made. */
  function admit(): boolean {
    if (nextTrialAt === undefined) return false
    const now = steadyClock()
    if (now < nextTrialAt) throw refusal(nextTrialAt - now)
    nextTrialAt = now + trialMs
    return true
  }

  function succeeded(): void {
    failures = 0
    firstUser = undefined
    beyondOneUser = false
    if (nextTrialAt === undefined) return
    nextTrialAt = undefined
    metrics.circuitOpen(false)
    log('warn', { event: 'SMH circuit closed' })
  }

  function failed(call: SmhCall, verdict: 'down' | 'perhaps', error: unknown): void {
    if (nextTrialAt !== undefined) return
    failures += call.user === undefined ? WEIGHT_OF_ALL : 1
    firstUser ??= call.user
    beyondOneUser ||= verdict === 'down' || call.user !== firstUser || call.user === undefined
    if (failures < FAILURES_TO_OPEN || !beyondOneUser) return
    nextTrialAt = steadyClock() + OPEN_MS
    metrics.circuitOpen(true)
    log('warn', { event: 'SMH circuit opened', ...errorFields(error) })
  }

  /** After a trial that did not close the circuit. */
  function retryLater(verdict: 'down' | 'perhaps' | 'unknown'): void {
    if (nextTrialAt === undefined) return
    nextTrialAt = steadyClock() + (verdict === 'unknown' ? 0 : OPEN_MS)
  }

  return {
    guard: (callSmh) => async (call, bounds) => {
      const isTrial = admit()
      try {
        const reply = await callSmh(call, bounds)
        succeeded()
        return reply
      } catch (error) {
        const verdict = verdictOn(error, call)
        if (verdict === 'there') succeeded()
        else if (isTrial) retryLater(verdict)
        else if (verdict !== 'unknown') failed(call, verdict, error)
        throw error
      }
    },
    isOpen: () => nextTrialAt !== undefined,
  }
}

/**
 * What a failed call says of SMH as a whole.
 *
 * - `there`: it answered, if only to refuse
 * - `down`: it cannot be reached, is too slow or too busy
 * - `perhaps`: it failed at this call, which something that one user sent may have caused
 * - `unknown`: the caller left, the time was used up elsewhere, or a confirm takes long, as it may
 */
function verdictOn(error: unknown, call: SmhCall): 'there' | 'down' | 'perhaps' | 'unknown' {
  if (!(error instanceof GatewayError)) return 'unknown'
  const { reason, smhStatus } = error.facts
  if (reason === 'caller_left' || reason === 'out_of_time') return 'unknown'
  if (error.code === 'upstream_timeout') return call.timeoutMs === undefined ? 'down' : 'unknown'
  if (error.code === 'upstream_unavailable') return 'down'
  return smhStatus !== undefined && smhStatus >= 500 ? 'perhaps' : 'there'
}

function refusal(waitMs: number): GatewayError {
  const seconds = Math.ceil(Math.min(waitMs, OPEN_MS) / 1000)
  return upstreamUnavailable('circuit_open', { headers: { 'Retry-After': String(seconds) } })
}
