import type { CountedBegin } from './ledger.ts'

const MINUTE_MS = 60_000

/** Far above the rounding errors of the divisions, milliseconds. */
const TOLERANCE_MS = 1

/**
 * Counts one call by the generic cell rate algorithm (ITU-T I.371). A user may make `perMinute` calls at once,
 * and then `perMinute` calls a minute at an even rate. So a user who never pauses gets no burst each minute.
 *
 * The whole state of a user is one number: when all calls would have been made at the even rate.
 *
 * @param doneAt the state, in milliseconds of the clock of `now`; any time in the past for an unknown user
 * @param perMinute at least 1
 * @returns the state after the call; a refused call leaves it unchanged
 */
export function countCall(
  doneAt: number,
  now: number,
  perMinute: number,
): { doneAt: number } & Required<CountedBegin> {
  const oneTakesMs = MINUTE_MS / perMinute
  const tolerance = Math.min(TOLERANCE_MS, oneTakesMs / 2)
  // Allowed calls never reach further ahead. The clock has been set back.
  const isBehind = doneAt - now > MINUTE_MS + oneTakesMs
  const before = isBehind ? now : Math.max(now, doneAt)
  const done = before + oneTakesMs
  const waitMs = done - (now + MINUTE_MS)
  const isAllowed = waitMs <= tolerance
  const after = isAllowed ? done : before
  const leftMs = now + MINUTE_MS - after
  const remaining = Math.max(0, Math.floor((leftMs + tolerance) / oneTakesMs))
  const resetMs = (remaining + 1) * oneTakesMs - leftMs
  return {
    doneAt: after,
    waitMs: isAllowed ? 0 : waitMs,
    rate: { remaining, resetSeconds: Math.max(1, Math.ceil((resetMs - tolerance) / 1000)) },
  }
}
