import type { Refusal } from './smh-error.ts'

/*
 * How long a token of SMH is used. Pure functions.
 *
 * | Idle time that is left | A request | `keepAlive` of a provided token |
 * |---|---|---|
 * | more than half | uses the token | does nothing |
 * | less than half | uses the token | renews it |
 * | less than a tenth, or than a minute | gets another token first | renews it |
 */

/** A token is replaced when less than this, or a tenth of its idle time, is left (docs/smh-protocol.md#13). */
const MIN_MARGIN_MS = 60_000

/** The times of a token, by the monotonic clock, milliseconds. */
export interface TokenTimes {
  readonly idleMs: number
  /** When it ends unless it is used before (docs/smh-protocol.md#3.2). */
  readonly endsAt: number
}

/** Whether a request may use the token. */
export function isUsable({ idleMs, endsAt }: TokenTimes, now: number): boolean {
  return now < endsAt - Math.max(MIN_MARGIN_MS, idleMs / 10)
}

/** Whether the token has to be renewed to stay alive. */
export function needsRenewal({ idleMs, endsAt }: TokenTimes, now: number): boolean {
  return now >= endsAt - idleMs / 2
}

/** When the token ends after a use that began at `usedAt`. */
export function endAfterUse({ idleMs, endsAt }: TokenTimes, usedAt: number): number {
  return Math.max(endsAt, usedAt + idleMs)
}

/** Refusals that concern the library, its secret or the provided token. */
const ofAllUsers: ReadonlySet<string> = new Set([
  'WrongLibraryIdOrSecret',
  'LibraryNotFound',
  'LibraryServiceExpired',
  'LibraryServiceTimeExpired',
  'LibraryRecycled',
  'InvalidAccessToken',
  'AccessTokenVersionNotMatch',
])

/** Whether a refused mint or renewal concerns every user, so that only the operator can repair it. */
export function concernsAllUsers(refusal: Refusal | undefined): boolean {
  return refusal?.code !== undefined && ofAllUsers.has(refusal.code)
}
