import { type CryptoKey, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose'
import type { JwtConfig } from '../config/parse.ts'
import { type ErrorDetails, GatewayError } from '../errors.ts'
import type { HttpClient } from '../http-client.ts'
import type { IssuerKeysReason } from '../log-record.ts'
import type { Background, Clock, Log, SingleFlight } from '../ports.ts'
import { createJwksClient, type FetchedKeySet, JwksError, reasonOf } from './jwks-client.ts'
import { decide, type FetchTimes, REFETCH_MS, RETRY_MS } from './jwks-decision.ts'

/**
 * Requests that may wait for an unknown key: at most this many, and at most a quarter of all requests in
 * flight. Any client can make up key ids. While an issuer is silent, they must leave room for tokens whose
 * keys are known.
 */
export const MAX_WAITING = 64
const SHARE_OF_WAITING = 1 / 4

/** How often a request checks whether the fetch of another one has ended, milliseconds. */
const POLL_MS = 20

/** What clients have to wait while there are no keys. Outages seldom end within a second. */
const RETRY_AFTER_SECONDS = 5

export interface JwksCache {
  /**
   * The key that a token with this header must be signed with; jose's key function. Work that can
   * wait goes to `background`; without one the call waits for it.
   *
   * @throws GatewayError `upstream_unavailable` when no key can be had
   * @throws JWKSNoMatchingKey, JWKSMultipleMatchingKeys as jose's `createLocalJWKSet` does
   */
  key(
    header: JWSHeaderParameters,
    token: FlattenedJWSInput,
    background?: Background,
  ): Promise<CryptoKey>
  /** Resolves when there are keys to verify with. Throws as `key` does when there are none. */
  ready(): Promise<void>
  /** Changes with the keys. */
  version(): number
  /**
   * Whether the keys have changed since `version`. For a signature that fits none of the keys: an issuer
   * may replace a key and keep its id. So the keys are fetched, at most once in {@link REFETCH_MS}. Throws as
   * `key` does when too many requests wait.
   */
  changedSince(version: number): Promise<boolean>
}

interface KeySet extends FetchedKeySet {
  /** By the monotonic clock. */
  fetchedAt: number
}

/** Everything that the cache keeps. */
interface JwksState extends FetchTimes {
  keySet: KeySet | undefined
  /** Where the last good keys came from. */
  url: string | undefined
  /** Changes with the keys. */
  version: number
  /** Fetches that have begun, and the last one whose result counts. */
  begun: number
  applied: number
  /** When the current fetch for an unknown key ends at the latest, by `performance.now()`. */
  refetchEndsAt: number
  /** Requests that wait for an unknown key. */
  waiting: number
}

/**
 * The issuer's public keys, fetched when they are first needed. jwks-decision.ts has the rules.
 *
 * jose's own remote set lacks two things: last good keys that serve through an outage, and a cool-down that
 * counts failed fetches. See docs/decisions.
 *
 * On Workers a request must not await the promise of another request. So the state holds settled values
 * alone, and outside of `singleFlight` a request goes on without the fetch of another one.
 *
 * @param deps.timeoutMs for one fetch, discovery included
 * @param deps.maxInFlight requests that are served at once
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
      // A set without a usable key counts, too: the issuer has withdrawn the keys before it.
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

  /** Keeps the result of a fetch, unless one that began later has brought its own. */
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

  /** Keys that may serve, or those of a fetch that this request has to wait for. */
  async function current(background?: Background): Promise<KeySet> {
    const { keySet } = state
    const decision = decide(keySet?.fetchedAt, state, monotonicClock())
    if (!keySet || decision === 'fetch') return fetchOnce()
    if (decision === 'renew') {
      // Further requests join this fetch. Only a failure lets them go on without waiting.
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

  /** Fetches for an unknown key, unless that was done lately. Throws when too many requests wait for it. */
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

  /** Polls where a request cannot await the fetch of another one. */
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
