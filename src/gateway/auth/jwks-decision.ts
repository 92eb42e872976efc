/*
 * When the issuer's keys are fetched, and which requests wait for it. Pure functions.
 *
 * | Age of the keys | A request | Fetch |
 * |---|---|---|
 * | under 10 min | is served | |
 * | 10 min to 1 h | is served | in the background, at most once in 30 s |
 * | 1 h to 24 h | waits, and is served with what it finds then; for 30 s after a failure nothing waits | yes |
 * | over 24 h, or no keys | waits, and fails with the fetch | yes, but not within 1 s of a failure |
 */

/** Keys as old as this are renewed in the background. A key that the issuer removed works until then. */
export const FRESH_MS = 10 * 60_000

/**
 * From this age on requests wait for the renewal. Otherwise the first request after a quiet night could use a
 * key that the issuer revoked the evening before.
 */
export const STALE_MS = 60 * 60_000

/** How long the last good keys serve while the issuer cannot be reached. */
export const LAST_GOOD_MS = 24 * 60 * 60_000

/** Between two fetches for unknown key ids, and between two tries to renew keys that still serve. */
export const REFETCH_MS = 30_000

/** Between a failed fetch and the next one while there are no keys. */
export const RETRY_MS = 1_000

/** When a next fetch may begin, on a clock that never goes back, milliseconds. */
export interface FetchTimes {
  /** In the background. */
  renewNotBefore: number
  /** With requests that wait for it although keys still serve. */
  waitNotBefore: number
  /** While there are no keys. */
  retryNotBefore: number
  /** For an unknown key id. Failed fetches count: made-up ids must not become calls to a dead issuer. */
  refetchNotBefore: number
}

/**
 * - `serve`: the keys serve
 * - `serve_and_renew`: the keys serve, and a fetch begins in the background
 * - `renew`: the request waits for a fetch, and goes on with the keys that there are then
 * - `fetch`: the request waits for a fetch, and fails with it
 */
export type JwksDecision = 'serve' | 'serve_and_renew' | 'renew' | 'fetch'

/**
 * What a request does that needs the keys.
 *
 * @param fetchedAt when the keys were fetched; undefined when there are none
 */
export function decide(
  fetchedAt: number | undefined,
  times: Pick<FetchTimes, 'renewNotBefore' | 'waitNotBefore'>,
  now: number,
): JwksDecision {
  if (fetchedAt === undefined || now - fetchedAt >= LAST_GOOD_MS) return 'fetch'
  const age = now - fetchedAt
  if (age >= STALE_MS) return now >= times.waitNotBefore ? 'renew' : 'serve'
  return age >= FRESH_MS && now >= times.renewNotBefore ? 'serve_and_renew' : 'serve'
}
