import { type CryptoKey, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose'
import type { JwtConfig } from '../config/parse.ts'
import { type ErrorDetails, GatewayError } from '../errors.ts'
import type { HttpClient } from '../http-client.ts'
import type { IssuerKeysReason } from '../log-record.ts'
import type { Background, Clock, Log, SingleFlight } from '../ports.ts'
import { createJwksClient, type FetchedKeySet, JwksError, reasonOf } from './jwks-client.ts'
import { decide, type FetchTimes, REFETCH_MS, RETRY_MS } from './jwks-decision.ts'

/**
 * Limits the requests that wait for an unknown key. The limit is also at most a quarter of all requests in
 * flight. Any client can invent key ids. While the issuer does not respond, tokens with known keys still
 * need permits.
 */
export const MAX_WAITING = 64
const SHARE_OF_WAITING = 1 / 4

/** How often a request checks whether the fetch of another one has ended, milliseconds. */
const POLL_MS = 20

/** `Retry-After` while no keys are available, seconds. Outages seldom end within a second. */
const RETRY_AFTER_SECONDS = 5

export interface JwksCache {
  /**
   * Returns the key that must have signed a token with this header. This is jose's key function. Work that
   * can wait runs in `background`; without it the call waits.
   *
   * @throws GatewayError `upstream_unavailable` when no key is available
   * @throws JWKSNoMatchingKey, JWKSMultipleMatchingKeys as jose's `createLocalJWKSet` does
   */
  key(
    header: JWSHeaderParameters,
    token: FlattenedJWSInput,
    background?: Background,
  ): Promise<CryptoKey>
  /** Resolves when keys are available. Otherwise throws like `key`. */
  ready(): Promise<void>
  /** Changes with the keys. */
  version(): number
  /**
   * Whether the keys have changed since `version`. Called when a signature fits none of the keys, because
   * an issuer may replace a key and keep its id. Fetches the keys, at most once in {@link REFETCH_MS}.
   * Throws like `key` when too many requests wait.
   */
  changedSince(version: number): Promise<boolean>
}

interface KeySet extends FetchedKeySet {
  /** On the monotonic clock. */
  fetchedAt: number
}

/** The state of the cache. */
interface JwksState extends FetchTimes {
  keySet: KeySet | undefined
  /** The URL of the last good keys. */
  url: string | undefined
  /** Changes with the keys. */
  version: number
  /** Fetches that have begun, and the last one whose result counts. */
  begun: number
  applied: number
  /** The deadline of the current fetch for an unknown key, as a value of `performance.now()`. */
  refetchEndsAt: number
  /** Requests that wait for an unknown key. */
  waiting: number
}

/**
 * The issuer's public keys, fetched when they are first needed. jwks-decision.ts has the rules.
 *
 * jose's own remote set lacks two features: the last good keys are not used during an outage, and failed
 * fetches do not count for its cool-down. See docs/decisions.
 *
 * On Workers a request must not await the promise of another request. So the state contains only settled
 * values, and outside `singleFlight` a request does not wait for the fetch of another one.
 *
 * @param deps.timeoutMs timeout of one fetch, including discovery
 * @param deps.maxInFlight limit of requests that are served at once
 */
export function createJwksCache(deps: {
  jwt: JwtConfig
  httpClient: HttpClient
  monotonicClock: Clock
  singleFlight: SingleFlight
  log: Log
  timeoutMs: number
  maxInFlight: number
}): JwksCache {
  const { jwt, httpClient, monotonicClock, singleFlight, log, timeoutMs, maxInFlight } = deps
  const client = createJwksClient(jwt, httpClient)
  const maxWaiting = Math.max(1, Math.min(MAX_WAITING, Math.floor(maxInFlight * SHARE_OF_WAITING)))
  const state: JwksState = {
    keySet: undefined,
    url: undefined,
    version: 0,
    begun: 0,
    applied: 0,
    renewNotBefore: 0,
    waitNotBefore: 0,
    retryNotBefore: 0,
    refetchNotBefore: 0,
    refetchEndsAt: 0,
    waiting: 0,
  }

  async function fetchKeys(): Promise<KeySet> {
    state.begun += 1
    const fetchNumber = state.begun
    const deadline = performance.now() + timeoutMs
    try {
      state.url ??= await client.findUrl(deadline)
      const fetched = await client.fetchKeySet(state.url, deadline)
      const keySet = { ...fetched, fetchedAt: monotonicClock() }
      // A set without a usable key also replaces the old keys, because the issuer has withdrawn them.
      keep(fetchNumber, fetched.isEmpty ? undefined : keySet)
      if (fetched.isEmpty) throw new JwksError('no_usable_key')
      return keySet
    } catch (error) {
      // The issuer may have moved its keys.
      state.url = undefined
      state.retryNotBefore = monotonicClock() + RETRY_MS
      const reason = reasonOf(error)
      const status = error instanceof JwksError ? error.status : undefined
      const fields = status === undefined ? undefined : { issuerStatus: status }
      log(state.keySet ? 'warn' : 'error', {
        event: 'issuer_keys_unavailable',
        reason: `issuer_keys_${reason}`,
        ...fields,
      })
      throw unavailable(reason, fields && { log: fields })
    }
  }

  /** Stores the result of a fetch, unless a fetch that began later has already finished. */
  function keep(fetchNumber: number, keySet: KeySet | undefined): void {
    if (fetchNumber < state.applied) return
    state.applied = fetchNumber
    if (keySet?.text !== state.keySet?.text) state.version += 1
    state.keySet = keySet
  }

  function stillHeld(): KeySet {
    if (!state.keySet) throw unavailable('no_usable_key')
    return state.keySet
  }

  /** Returns keys that are fresh enough, or waits for a fetch. */
  async function current(background?: Background): Promise<KeySet> {
    const { keySet } = state
    const decision = decide(keySet?.fetchedAt, state, monotonicClock())
    if (!keySet || decision === 'fetch') return fetchOnce()
    if (decision === 'renew') {
      // Further requests join this fetch. Only after a failure do they continue without waiting.
      await singleFlight('issuer-keys', fetchKeys).catch(() => {
        state.waitNotBefore = monotonicClock() + REFETCH_MS
      })
      return stillHeld()
    }
    if (decision === 'serve_and_renew') {
      state.renewNotBefore = monotonicClock() + REFETCH_MS
      const renewal = singleFlight('issuer-keys', fetchKeys).then(ignore, ignore)
      if (!background) {
        await renewal
        return stillHeld()
      }
      background(renewal)
    }
    return keySet
  }

  function fetchOnce(): Promise<KeySet> {
    return singleFlight('issuer-keys', async () => {
      if (monotonicClock() < state.retryNotBefore) throw unavailable('retry_later')
      return fetchKeys()
    })
  }

  /** Fetches for an unknown key, at most once in {@link REFETCH_MS}. Throws when too many requests wait. */
  async function refetch(): Promise<void> {
    if (state.waiting >= maxWaiting) throw unavailable('busy')
    state.waiting += 1
    try {
      await singleFlight('issuer-keys-refetch', async () => {
        if (monotonicClock() < state.refetchNotBefore) return refetched()
        state.refetchNotBefore = monotonicClock() + REFETCH_MS
        state.refetchEndsAt = performance.now() + timeoutMs
        await fetchKeys().then(ignore, ignore)
        state.refetchEndsAt = 0
      })
    } finally {
      state.waiting -= 1
    }
  }

  /** Polls, because a request on Workers cannot await the fetch of another one. */
  async function refetched(): Promise<void> {
    while (performance.now() < state.refetchEndsAt) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  return {
    async key(header, token, background) {
      const before = state.keySet
      const keySet = await current(background)
      try {
        return await keySet.find(header, token)
      } catch (error) {
        // Keys that were just fetched for this token need no second fetch.
        if (!(error instanceof errors.JWKSNoMatchingKey) || keySet !== before) throw error
      }
      await refetch()
      return stillHeld().find(header, token)
    },
    async ready() {
      await current()
    },
    version: () => state.version,
    async changedSince(seen) {
      if (state.version === seen) await refetch()
      return state.version !== seen
    },
  }
}

function unavailable(reason: IssuerKeysReason, details?: ErrorDetails): GatewayError {
  return new GatewayError('upstream_unavailable', 'Tokens cannot be verified at the moment.', {
    headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
    reason: `issuer_keys_${reason}`,
    ...details,
  })
}

function ignore(): void {}
