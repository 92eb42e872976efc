import { LRUCache } from 'lru-cache'
import type { SmhConfig, UploadRules } from '../config/parse.ts'
import type { Clock, SingleFlight } from '../ports.ts'
import { meaningOf } from './error-codes.ts'
import { refusalOf, SmhError } from './smh-error.ts'
import {
  concernsAllUsers,
  endAfterUse,
  isUsable,
  needsRenewal,
  type TokenTimes,
} from './token-decision.ts'
import { createTokenRequests, type TokenIdentity, type TokenScope } from './token-requests.ts'
import type { CallLimits, SmhTransport } from './transport.ts'

/**
 * Custody of SMH's access tokens: gets, keeps and replaces them, in memory only. Only the call that needs a
 * token sees it.
 */
export interface AccessTokens {
  /**
   * Runs `call` with a token that should be valid. When SMH refuses the token (403 `InvalidAccessToken`), gets
   * another one and runs `call` once more. Waits for a token at most until the deadline of `limits`; the
   * mint itself continues for other requests.
   */
  use<T>(scope: TokenScope, limits: CallLimits, call: (token: string) => Promise<T>): Promise<T>
  /**
   * Resolves when a token is available; otherwise rejects with SMH's error.
   *
   * @param refresh true: a held token does not count, and SMH must answer
   */
  ready(limits: CallLimits, refresh?: boolean): Promise<void>
  /**
   * Renews a provided token once half of its idle time is over; must be called regularly. Does nothing for
   * minted tokens, which can be minted again. Rejects as `ready` does.
   */
  keepAlive(): Promise<void>
}

/** Limits the tokens held in `per-user` mode, one per user: some 10 MB. */
const MAX_HELD_TOKENS = 10_000

/** How long a refusal that only the operator can repair applies to all requests, milliseconds. */
export const REFUSED_MS = 5_000

interface HeldToken extends TokenTimes {
  readonly value: string
  endsAt: number
}

/** Everything that is kept. */
interface TokenState {
  /** By the key of their identity. */
  held: LRUCache<string, HeldToken>
  /** The last refusal that concerns all users. */
  refusal: { error: SmhError; until: number } | undefined
  /** Failures that a request of a user has reported. */
  reported: WeakSet<SmhError>
}

export interface AccessTokensOptions {
  smh: SmhConfig
  upload: UploadRules
  send: SmhTransport
  monotonicClock: Clock
  singleFlight: SingleFlight
  /** Timeout of one mint or renewal, in milliseconds. */
  timeoutMs: number
}

export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { smh, monotonicClock, singleFlight } = options
  const requests = createTokenRequests(options)
  const state: TokenState = {
    held: new LRUCache({ max: MAX_HELD_TOKENS }),
    refusal: undefined,
    reported: new WeakSet(),
  }

  /** A token that is held, otherwise another one. */
  function usable(identity: TokenIdentity, limits: CallLimits): HeldToken | Promise<HeldToken> {
    const token = state.held.get(identity.key)
    if (token && isUsable(token, monotonicClock())) return token
    return within(limits, obtainOnce(identity))
  }

  /** For a user's request. The log has each failure once at `error`, however many requests it fails. */
  function throwReported(error: unknown): never {
    if (!(error instanceof SmhError)) throw error
    if (state.reported.has(error)) throw new SmhError(error.failure, true)
    state.reported.add(error)
    throw error
  }

  function usableForUser(
    identity: TokenIdentity,
    limits: CallLimits,
  ): HeldToken | Promise<HeldToken> {
    const token = usable(identity, limits)
    return token instanceof Promise ? token.catch(throwReported) : token
  }

  function obtainOnce(identity: TokenIdentity): Promise<HeldToken> {
    return singleFlight(`token ${identity.key}`, () => obtain(identity))
  }

  /** Asks SMH, but not again within {@link REFUSED_MS} of a refusal that concerns all users. */
  async function obtain(identity: TokenIdentity): Promise<HeldToken> {
    if (state.refusal && monotonicClock() < state.refusal.until) throw state.refusal.error
    const askedAt = monotonicClock()
    try {
      const { value, idleMs } = await requests.mintOrRenew(
        identity,
        state.held.get(identity.key)?.value,
      )
      const token = { value, idleMs, endsAt: askedAt + idleMs }
      state.held.set(identity.key, token)
      return token
    } catch (error) {
      if (error instanceof SmhError && concernsAllUsers(refusalOf(error))) {
        state.refusal = { error, until: monotonicClock() + REFUSED_MS }
      }
      throw error
    }
  }

  const sharedScope: TokenScope = { userId: '', spaceId: '' }

  return {
    async use(scope, limits, call) {
      const identity = requests.identityOf(scope)
      for (let isSecond = false; ; isSecond = true) {
        const token = await usableForUser(identity, limits)
        const usedAt = monotonicClock()
        try {
          const result = await call(token.value)
          token.endsAt = endAfterUse(token, usedAt)
          return result
        } catch (error) {
          const refusal = refusalOf(error)
          if (isSecond || !refusal || meaningOf(refusal) !== 'token_dead') throw error
          // No later request may use this token.
          token.endsAt = 0
        }
      }
    },

    async ready(limits, refresh = false) {
      const isShared = smh.tokenMode === 'shared'
      const identity = isShared ? requests.identityOf(sharedScope) : requests.probe
      try {
        await (refresh ? within(limits, obtainOnce(identity)) : usable(identity, limits))
      } catch (error) {
        if (isShared || !requests.asksForSpace(refusalOf(error))) throw error
      }
    },

    async keepAlive() {
      if (smh.credential.kind === 'library-secret') return
      const identity = requests.identityOf(sharedScope)
      const token = state.held.get(identity.key)
      if (!token || needsRenewal(token, monotonicClock())) await obtainOnce(identity)
    },
  }
}

/** SmhError `timeout` when `work` outlasts the limits. The work itself is not stopped. */
async function within<T>(limits: CallLimits, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const tooLate = new Promise<never>((_, reject) => {
    const late = () => reject(new SmhError({ kind: 'timeout', cause: 'smh' }))
    timer = setTimeout(late, limits.deadline - performance.now())
  })
  try {
    return await Promise.race([work, tooLate])
  } finally {
    clearTimeout(timer)
  }
}
