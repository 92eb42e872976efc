import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  type LocalJWKSet,
} from 'jose'
import * as z from 'zod'
import type { JwtConfig } from '../config/parse.ts'
import { isLoopback, parseTrustworthyUrl } from '../config/secure-url.ts'
import { type ErrorDetails, GatewayError } from '../errors.ts'
import { type HttpClient, HttpClientError } from '../http-client.ts'
import type { IssuerKeysReason } from '../log-record.ts'
import type { Background, Clock, Log, SingleFlight } from '../ports.ts'
import { usableKeys } from './usable-keys.ts'

/** Keys as old as this are renewed in the background; a key the issuer removed works until then. */
export const FRESH_MS = 10 * 60_000

/**
 * After a pause this long the renewal is waited for: otherwise the first request after a quiet night
 * could still be signed with a key that the issuer took back the evening before.
 */
export const STALE_MS = 60 * 60_000

/** How long the last good keys serve while the issuer cannot be asked (contract §4). */
export const LAST_GOOD_MS = 24 * 60 * 60_000

/**
 * Time between two fetches that unknown key ids cause (contract §4), and between two tries to renew
 * keys that still serve. Failed ones count: made-up key ids must not become calls to a dead issuer.
 */
export const REFETCH_MS = 30_000

/** Time between a failed fetch and the next one while there are no keys at all. */
export const RETRY_MS = 1_000

/**
 * Who may wait at the same time for a key that we do not have: so many, and no more than a share of all
 * requests in flight. Anybody can make up key ids, and while an issuer is silent must not take all the
 * places of those whose keys are known.
 */
export const MAX_WAITING = 64
const SHARE_OF_WAITING = 1 / 4

/** Keys in one set: issuers have a handful. More would take seconds to check, at every fetch. */
export const MAX_KEYS = 1_000

/** How often a request looks whether the fetch of another one has ended, milliseconds. */
const LOOK_MS = 20

/** What callers are told to wait while there are no keys: outages seldom end within a second. */
const RETRY_AFTER_SECONDS = 5

export interface IssuerKeys {
  /**
   * The key that a token with this header must be signed with; jose's key function. Work that can
   * wait goes to `background`, and without one is waited for.
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
  /** Another number whenever the keys have become others. */
  version(): number
  /**
   * To be asked when a signature does not fit the keys of `version`: resolves to whether there are
   * other keys now. An issuer may have replaced a key without giving it another id, so the keys are
   * fetched, but at most once in {@link REFETCH_MS}. Throws as `key` does when too many wait.
   */
  changedSince(version: number): Promise<boolean>
}

interface KeySet {
  find: LocalJWKSet
  /** All of the keys, to tell a change by. */
  text: string
  /** By the steady clock. */
  fetchedAt: number
}

/**
 * The issuer's public keys, fetched on first need from `JWT_JWKS_URL` or from where the issuer's
 * discovery document says (OpenID Connect Discovery 1.0 §4).
 *
 * jose's own remote set has neither of the two things needed here: last good keys that serve through
 * an outage, and a cool-down that counts failed fetches.
 *
 * On Workers a request must not await what another began. Outside of `singleFlight`, therefore, only settled
 * values are kept here, and a request that finds a fetch under way elsewhere goes on without it.
 *
 * @param deps.timeoutMs for one fetch, discovery included
 * @param deps.maxInFlight requests being served at once
 */
export function createIssuerKeys(deps: {
  jwt: JwtConfig
  httpClient: HttpClient
  monotonicClock: Clock
  singleFlight: SingleFlight
  log: Log
  timeoutMs: number
  maxInFlight: number
}): IssuerKeys {
  const { jwt, httpClient, monotonicClock, singleFlight, log, timeoutMs, maxInFlight } = deps
  const maxWaiting = Math.max(1, Math.min(MAX_WAITING, Math.floor(maxInFlight * SHARE_OF_WAITING)))
  let held: KeySet | undefined
  let keysUrl: string | undefined
  let renewNotBefore = 0
  let waitNotBefore = 0
  let refetchNotBefore = 0
  /** Of a fetch for an unknown key that is under way, on the clock of `performance.now()`. */
  let refetchEndsAt = 0
  let retryNotBefore = 0
  let begun = 0
  let applied = 0
  let waiting = 0
  let version = 0

  /** Keeps what a fetch brought, unless one that began later has already brought its own. */
  function keep(fetchNumber: number, set: KeySet | undefined): void {
    if (fetchNumber < applied) return
    applied = fetchNumber
    if (set?.text !== held?.text) version += 1
    held = set
  }

  async function fetchKeys(): Promise<KeySet> {
    begun += 1
    const fetchNumber = begun
    const deadline = performance.now() + timeoutMs
    try {
      keysUrl ??= jwt.jwksUrl ?? (await discover(deadline))
      const { keys } = keySetSchema.parse(await getJson(keysUrl, deadline))
      if (keys.length > MAX_KEYS) throw new KeyFault('too_many_keys')
      const usable = await usableKeys(keys, jwt.algorithms)
      const set = {
        find: createLocalJWKSet({ keys: usable }),
        text: JSON.stringify(usable),
        fetchedAt: monotonicClock(),
      }
      // A set without a usable key is an answer, too: the keys it no longer has are not to be trusted.
      keep(fetchNumber, usable.length > 0 ? set : undefined)
      if (usable.length === 0) throw new KeyFault('no_usable_key')
      return set
    } catch (error) {
      // The issuer may have moved its keys.
      keysUrl = undefined
      retryNotBefore = monotonicClock() + RETRY_MS
      const reason = faultReason(error)
      const status = error instanceof KeyFault && error.status
      const facts = status ? { issuerStatus: status } : {}
      log(held ? 'warn' : 'error', {
        event: 'issuer_keys_unavailable',
        reason: `issuer_keys_${reason}`,
        ...facts,
      })
      throw unavailable(reason, status ? { log: facts } : {})
    }
  }

  async function discover(deadline: number): Promise<string> {
    const base = jwt.issuer.replace(/\/$/, '')
    const document = discoverySchema.parse(
      await getJson(`${base}/.well-known/openid-configuration`, deadline),
    )
    // Discovery 1.0 §4.3. Otherwise one issuer could answer with another one's keys.
    if (document.issuer !== jwt.issuer) throw new KeyFault('issuer_mismatch')
    const url = parseTrustworthyUrl(document.jwks_uri)
    // A remote issuer has no say in what is called on this machine.
    const isOwnMachine = url && isLoopback(url) && !isLoopback(new URL(jwt.issuer))
    if (!url || isOwnMachine) throw new KeyFault('jwks_uri')
    return url.href
  }

  async function getJson(url: string, deadline: number): Promise<unknown> {
    const { status, text } = await httpClient.request({
      method: 'GET',
      url,
      headers: { accept: 'application/json' },
      timeoutMs: Math.max(1, Math.ceil(deadline - performance.now())),
    })
    if (status !== 200) throw new KeyFault('status', status)
    return JSON.parse(text)
  }

  /** Keys that may still serve, or those of a fetch that this caller then has to wait for. */
  async function current(background?: Background): Promise<KeySet> {
    const set = held
    if (!set || monotonicClock() - set.fetchedAt >= LAST_GOOD_MS) {
      return singleFlight('issuer-keys', async () => {
        if (monotonicClock() < retryNotBefore) throw unavailable('retry_later')
        return fetchKeys()
      })
    }
    const age = monotonicClock() - set.fetchedAt
    if (age >= STALE_MS && monotonicClock() >= waitNotBefore) {
      // Only a try that failed lets others go on without waiting: whoever comes meanwhile joins it.
      await singleFlight('issuer-keys', fetchKeys).catch(() => {
        waitNotBefore = monotonicClock() + REFETCH_MS
      })
      return stillHeld()
    }
    if (age >= FRESH_MS && age < STALE_MS && monotonicClock() >= renewNotBefore) {
      renewNotBefore = monotonicClock() + REFETCH_MS
      const renewal = singleFlight('issuer-keys', fetchKeys).then(ignore, ignore)
      if (!background) {
        await renewal
        return stillHeld()
      }
      background(renewal)
    }
    return set
  }

  function stillHeld(): KeySet {
    if (!held) throw unavailable('no_usable_key')
    return held
  }

  /** Where requests cannot await the fetch of another one, they look again and again. */
  async function whenRefetched(): Promise<void> {
    while (performance.now() < refetchEndsAt) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /**
   * Fetches for a key that we do not have, unless one did so of late. The number of callers that wait for it is bounded:
   * the next one gets `upstream_unavailable`.
   */
  async function refetch(): Promise<void> {
    if (waiting >= maxWaiting) throw unavailable('busy')
    waiting += 1
    try {
      await singleFlight('issuer-keys-refetch', async () => {
        if (monotonicClock() < refetchNotBefore) return whenRefetched()
        refetchNotBefore = monotonicClock() + REFETCH_MS
        refetchEndsAt = performance.now() + timeoutMs
        await fetchKeys().then(ignore, ignore)
        refetchEndsAt = 0
      })
    } finally {
      waiting -= 1
    }
  }

  return {
    async key(header, token, background) {
      const before = held
      const set = await current(background)
      try {
        return await set.find(header, token)
      } catch (error) {
        // Keys that were fetched just now for this very token need not be fetched again.
        if (!(error instanceof errors.JWKSNoMatchingKey) || set !== before) throw error
      }
      await refetch()
      return stillHeld().find(header, token)
    },
    async ready() {
      await current()
    },
    version: () => version,
    async changedSince(seen) {
      if (version === seen) await refetch()
      return version !== seen
    },
  }
}

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.string() })

const keySetSchema = z.object({ keys: z.array(z.unknown()) })

/** Something the issuer said that cannot be used. */
class KeyFault extends Error {
  readonly reason: IssuerKeysReason
  readonly status: number | undefined

  constructor(reason: IssuerKeysReason, status?: number) {
    super(`issuer keys: ${reason}`)
    this.name = 'KeyFault'
    this.reason = reason
    this.status = status
  }
}

/** A fixed word for the log: what HTTP clients and parsers say may quote what they were given. */
function faultReason(error: unknown): IssuerKeysReason {
  if (error instanceof KeyFault) return error.reason
  return error instanceof HttpClientError ? error.kind : 'malformed'
}

function unavailable(reason: IssuerKeysReason, details: ErrorDetails = {}): GatewayError {
  return new GatewayError('upstream_unavailable', 'Tokens cannot be checked right now.', {
    headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) },
    reason: `issuer_keys_${reason}`,
    ...details,
  })
}

function ignore(): void {}
