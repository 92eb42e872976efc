/**
 * Decides when a call to SMH is made, and what its outcome means. Pure functions over two states: one for
 * each user whose calls fail, and one for all users.
 *
 * | What happens | That user | All others |
 * |---|---|---|
 * | five calls of one user in a row fail or are throttled (429) | 503 for 5 s, then one trial | go on |
 * | ten calls of three or more users fail, over 3 s or more, and SMH responds to no call meanwhile | 503 | 503 |
 * | three calls that belong to no user (mint, renew) fail in a row | 503 | 503 |
 * | SMH responds to a call of any user, if only with 429 or another refusal | | go on, and the count starts again |
 * | all are refused, and a user comes whose calls have not failed | 503 | one trial at once, then one a second |
 * | all are refused, and only users come whose calls have failed | | one trial in 5 s |
 * | a trial succeeds or is refused by SMH | goes on, but after a 429 | go on |
 *
 * So users whose calls fail cannot block users whose calls succeed: the first response of SMH closes the
 * circuit. The first row also applies to a gateway with a single user.
 */

/**
 * Consecutive failed calls of one user, each after its last retry. One trial of the user every 5 s is
 * harmless.
 */
const FAILURES_OF_USER = 5

/**
 * Failed calls of users that open the circuit for all users. The next two constants must be reached too.
 */
const FAILURES_OF_ALL = 10
const USERS_OF_ALL = 3
/**
 * Time between the first and the last of these failures, milliseconds. If SMH works, a call of an active
 * user succeeds in it.
 */
const SPAN_MS = 3_000

/** Consecutive failed calls that belong to no user, such as a mint. All users depend on them. */
const FAILURES_WITHOUT_USER = 3

/** Time between two trials, milliseconds. */
export const TRIAL_MS = 5_000

/**
 * Time between two trials of users whose calls have not failed, while the circuit is open for all,
 * milliseconds.
 */
const NEWCOMER_TRIAL_MS = 1_000

/**
 * The outcome of a call.
 *
 * - `served`: it succeeded
 * - `refused`: SMH responded with an error or an invalid response
 * - `throttled`: SMH asked this user to wait
 * - `failed`: SMH cannot be reached, is too slow, or fails
 * - `unknown`: no information, for example when the client disconnects
 */
export type Verdict = 'served' | 'refused' | 'throttled' | 'failed' | 'unknown'

/** The state of a user whose last calls failed. Other users have no state. */
export interface UserState {
  readonly failures: number
  /** From {@link FAILURES_OF_USER} on: before this time the user's calls are refused. */
  readonly nextTrialAt: number
}

/** The failures since the last response from SMH. */
interface AllState {
  /** Failed calls of users. The first one failed at `since`. */
  readonly failures: number
  readonly since: number
  /** The users of these calls, at most {@link USERS_OF_ALL}. */
  readonly users: readonly string[]
  readonly failuresWithoutUser: number
  /** Present while the circuit is open for all users. */
  readonly open?: { readonly nextTrialAt: number; readonly nextNewcomerTrialAt: number }
}

export const noFailures: AllState = { failures: 0, since: 0, users: [], failuresWithoutUser: 0 }

/** The user of a call, and whether it is a trial. No user for calls that all users depend on. */
export interface Admission {
  user: string | undefined
  /** Of the user's own state. */
  isUserTrial: boolean
  /** Of the state of all. */
  allTrial: 'none' | 'newcomer' | 'other'
}

type Decision =
  | { admitted: Admission; user: UserState | undefined; all: AllState }
  | { refused: 'user' | 'all'; waitMs: number }

/**
 * Decides whether a call may be made now.
 *
 * @param user the user's state, if there is one
 * @param now milliseconds, on a clock that never goes back
 * @param trialTimeoutMs after which another trial replaces one without an outcome
 * @returns the states after the decision, or how long the call has to wait
 */
export function admit(
  all: AllState,
  user: UserState | undefined,
  userId: string | undefined,
  now: number,
  trialTimeoutMs: number,
): Decision {
  const isUserTrial = user !== undefined && user.failures >= FAILURES_OF_USER
  if (isUserTrial && now < user.nextTrialAt) {
    return { refused: 'user', waitMs: user.nextTrialAt - now }
  }
  const admitted: Admission = { user: userId, isUserTrial, allTrial: 'none' }
  const trialEndsAt = now + trialTimeoutMs
  const userAfter = isUserTrial ? { ...user, nextTrialAt: trialEndsAt } : user
  if (!all.open) return { admitted, user: userAfter, all }
  const allTrial = userId !== undefined && !user ? 'newcomer' : 'other'
  const at = allTrial === 'newcomer' ? 'nextNewcomerTrialAt' : 'nextTrialAt'
  if (now < all.open[at]) return { refused: 'all', waitMs: all.open[at] - now }
  return {
    admitted: { ...admitted, allTrial },
    user: userAfter,
    all: { ...all, open: { ...all.open, [at]: trialEndsAt } },
  }
}

/** The user's state after the outcome of a call; undefined when the user's calls do not fail. */
export function userAfter(
  user: UserState | undefined,
  { isUserTrial }: Admission,
  verdict: Verdict,
  now: number,
): UserState | undefined {
  switch (verdict) {
    case 'served':
    case 'refused':
      return undefined
    case 'throttled':
    case 'failed':
      return { failures: (user?.failures ?? 0) + 1, nextTrialAt: now + TRIAL_MS }
    case 'unknown':
      return user && isUserTrial ? { ...user, nextTrialAt: now } : user
  }
}

/** The state of all after the outcome of a call. */
export function allAfter(
  all: AllState,
  { user, allTrial }: Admission,
  verdict: Verdict,
  now: number,
): AllState {
  // For a call without a user SMH throttles the gateway, and thus all users.
  const failed = verdict === 'failed' || (verdict === 'throttled' && user === undefined)
  if (!failed && verdict !== 'unknown') return noFailures
  if (all.open) return { ...all, open: openAfter(all.open, allTrial, failed, now) }
  if (!failed) return all
  const counted = withFailure(all, user, now)
  if (!isDown(counted, now)) return counted
  return { ...counted, open: { nextTrialAt: now + TRIAL_MS, nextNewcomerTrialAt: now } }
}

function openAfter(
  open: NonNullable<AllState['open']>,
  trial: Admission['allTrial'],
  failed: boolean,
  now: number,
): NonNullable<AllState['open']> {
  switch (trial) {
    case 'none':
      return open
    case 'newcomer':
      return { ...open, nextNewcomerTrialAt: failed ? now + NEWCOMER_TRIAL_MS : now }
    case 'other':
      return { ...open, nextTrialAt: failed ? now + TRIAL_MS : now }
  }
}

function withFailure(all: AllState, user: string | undefined, now: number): AllState {
  if (user === undefined) return { ...all, failuresWithoutUser: all.failuresWithoutUser + 1 }
  const isCounted = all.users.includes(user) || all.users.length >= USERS_OF_ALL
  return {
    ...all,
    failures: all.failures + 1,
    since: all.failures === 0 ? now : all.since,
    users: isCounted ? all.users : [...all.users, user],
  }
}

function isDown(all: AllState, now: number): boolean {
  if (all.failuresWithoutUser >= FAILURES_WITHOUT_USER) return true
  return (
    all.failures >= FAILURES_OF_ALL &&
    all.users.length >= USERS_OF_ALL &&
    now - all.since >= SPAN_MS
  )
}
