/*
 * Decides when the issuer's keys are fetched, and which requests wait. Pure functions.
 *
 * | Age of the keys | A request | Fetch |
 * |---|---|---|
 * | under 10 min | is served | |
 * | 10 min to 1 h | is served | in the background, at most once in 30 s |
 * | 1 h to 24 h | waits, then uses the newest keys; for 30 s after a failure no request waits | yes |
 * | over 24 h, or no keys | waits, and fails with the fetch | yes, but not within 1 s of a failure |
 */

/** Keys as old as this are renewed in the background. A key that the issuer removed works until then. */
export const FRESH_MS = 10 * 60_000

/**
 * At this age requests start to wait for the renewal. Otherwise the first request after a quiet night could
 * use a key that the issuer revoked the evening before.
 */
export const STALE_MS = 60 * 60_000

/** How long the last good keys serve while the issuer cannot be reached. */
export const LAST_GOOD_MS = 24 * 60 * 60_000

/** Minimum time between two fetches for unknown key ids, and between two tries to renew usable keys. */
export const REFETCH_MS = 30_000

/** Minimum time between a failed fetch and the next one while no keys are available. */
export const RETRY_MS = 1_000

/** When the next fetch may begin, on the monotonic clock, milliseconds. */
export interface FetchTimes {
  /** In the background. */
  renewNotBefore: number
  /** With requests that wait although keys are still usable. */
  waitNotBefore: number
  /** While there are no keys. */
  retryNotBefore: number
  /**
   * For an unknown key id. Failed fetches count, so that invented ids do not cause calls to an issuer that
   * is down.
   */
  refetchNotBefore: number
}

/**
 * - `serve`: the keys serve
 * - `serve_and_renew`: the keys serve, and a fetch begins in the background
 * - `renew`: the request waits for a fetch, then uses the newest keys
 * - `fetch`: the request waits for a fetch, and fails if the fetch fails
 */
export type JwksDecision = 'serve' | 'serve_and_renew' | 'renew' | 'fetch'

/**
 * Decides what a request that needs the keys does.
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
