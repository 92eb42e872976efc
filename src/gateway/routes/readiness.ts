import { errorFields, logLevelFor } from '../errors.ts'
import type { CallLimits } from '../smh/transport.ts'
import type { Services } from './endpoint.ts'

/** How long a result is reused, so that requests to /readyz cannot flood SMH or the issuer. */
export const RESULT_LASTS_MS = 5_000

/** Maximum number of concurrent checks on runtimes where requests cannot share one. */
const MAX_CHECKS = 4

/** The state: settled values, never a pending promise (see SingleFlight in ports.ts). */
interface ReadinessState {
  last: { ready: boolean; at: number } | undefined
  /** The checks that run. */
  running: Set<CallLimits>
}

/**
 * Creates the function that checks whether uploads can begin. Its result is at most five seconds old. It
 * never rejects; a failed check is one log line `not_ready`.
 */
export function createReadiness(
  services: Pick<Services, 'checkReady' | 'log' | 'monotonicClock' | 'singleFlight'>,
): (limits: CallLimits) => Promise<boolean> {
  const { checkReady, log, monotonicClock, singleFlight } = services
  const state: ReadinessState = { last: undefined, running: new Set() }

  async function check({ deadline }: CallLimits): Promise<boolean> {
    // Without the signal, because other requests wait for this check as well.
    const limits: CallLimits = { deadline }
    // A check that the platform has ended does not remove itself.
    for (const each of state.running) {
      if (each.deadline <= performance.now()) state.running.delete(each)
    }
    if (state.running.size >= MAX_CHECKS) return false
    state.running.add(limits)
    let ready = true
    try {
      await checkReady(limits)
    } catch (error) {
      ready = false
      log(logLevelFor(error), { event: 'not_ready', ...errorFields(error) })
    }
    state.running.delete(limits)
    state.last = { ready, at: monotonicClock() }
    return ready
  }

  return async (limits) => {
    const { last } = state
    if (last && monotonicClock() - last.at < RESULT_LASTS_MS) return last.ready
    return singleFlight('readiness', () => check(limits))
  }
}
