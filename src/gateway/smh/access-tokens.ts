import { LRUCache } from 'lru-cache'
import type { SmhConfig, UploadRules } from '../config/parse.ts'
import type { Secret } from '../config/secret.ts'
import type { Clock, SingleFlight } from '../ports.ts'
import { meaningOf } from './error-codes.ts'
import { tokenReply } from './replies.ts'
import { type Refusal, refusalOf, SmhError } from './smh-error.ts'
import type { CallLimits, SmhTransport } from './transport.ts'
import type { UploadScope } from './upload.ts'

/** The user and space of a token. In `shared` mode one token serves all users. */
type TokenScope = Pick<UploadScope, 'userId' | 'spaceId'>

/**
 * Custody of SMH's access tokens: mints, keeps and replaces them, in memory only. Only the call that needs a
 * token sees it.
 */
export interface AccessTokens {
  /**
   * Runs `call` with a token that should be valid. When SMH refuses the token (403 `InvalidAccessToken`), gets
   * another and runs `call` once more. Waits for a token at most until the deadline of `limits`; the mint
   * itself continues for other callers.
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

interface HeldToken {
  readonly value: string
  readonly idleMs: number
  /** Moves with every use, as SMH's own deadline does (docs/smh-protocol.md#3.2). By the monotonic clock. */
  goodUntil: number
}

/** Limits the tokens held in `per-user` mode, one per user: some 10 MB. */
const MAX_HELD_TOKENS = 10_000

/** Replaced when less than this, or a tenth of its idle time, is left (docs/smh-protocol.md#13). */
const MIN_MARGIN_MS = 60_000

/** How long a refusal that only the operator can fix applies to all callers, in milliseconds. */
export const REFUSED_MS = 5_000

/** Refusals that concern the library, its secret or the given token, and so every user. */
const ofAllUsers: ReadonlySet<string> = new Set([
  'WrongLibraryIdOrSecret',
  'LibraryNotFound',
  'LibraryServiceExpired',
  'LibraryServiceTimeExpired',
  'LibraryRecycled',
  'InvalidAccessToken',
  'AccessTokenVersionNotMatch',
])

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
  const { smh, upload, send, monotonicClock, singleFlight, timeoutMs } = options
  const held = new LRUCache<string, HeldToken>({ max: MAX_HELD_TOKENS })
  /** Failures that a user's request has reported. */
  const reported = new WeakSet<SmhError>()
  let refusal: { error: SmhError; until: number } | undefined
  const perUserGrants = [
    upload.conflictStrategies.has('overwrite') ? 'upload_file_force' : 'upload_file',
    ...(upload.createParents ? ['create_directory'] : []),
  ].join(',')

  /** The query of a token's mint; as JSON also its key in the cache. */
  function identityOf(scope: TokenScope): MintQuery {
    if (smh.tokenMode === 'per-user') {
      return {
        grant: perUserGrants,
        user_id: scope.userId,
        space_id: scope.spaceId === '-' ? undefined : scope.spaceId,
      }
    }
    // Without a user of its own the token may act for the one that each call names (docs/smh-protocol.md#3.9).
    return { grant: 'admin', user_id: undefined, space_id: fixedSpace() }
  }

  /** In a single-tenant library tokens are made without a space (docs/smh-protocol.md#3.1). */
  function fixedSpace(): string | undefined {
    return smh.space.kind === 'fixed' && smh.space.id !== '-' ? smh.space.id : undefined
  }

  async function good(identity: MintQuery, limits: CallLimits): Promise<HeldToken> {
    const key = JSON.stringify(identity)
    const token = held.get(key)
    if (token && monotonicClock() < token.goodUntil - margin(token)) return token
    return within(limits, fresh(key, identity))
  }

  /** The token of the last renewal (docs/smh-protocol.md#3.3), otherwise the configured one. */
  function renewable(key: string, given: Secret): string {
    return held.get(key)?.value ?? given.reveal()
  }

  /** Where the space comes from a claim, the readiness check can name none, and SMH may ask for one. */
  function asksForSpace(error: Refusal | undefined): boolean {
    return smh.space.kind === 'claim' && error?.status === 400
  }

  function fresh(key: string, identity: MintQuery): Promise<HeldToken> {
    return singleFlight(`token ${key}`, () => obtain(key, identity))
  }

  /** For a user's request. The log has each failure once at `error`, however many requests it fails. */
  async function goodForUser(identity: MintQuery, limits: CallLimits): Promise<HeldToken> {
    try {
      return await good(identity, limits)
    } catch (error) {
      if (!(error instanceof SmhError)) throw error
      if (reported.has(error)) throw new SmhError(error.failure, true)
      reported.add(error)
      throw error
    }
  }

  /** Asks SMH, but not again within {@link REFUSED_MS} of a refusal that concerns all users. */
  async function obtain(key: string, identity: MintQuery): Promise<HeldToken> {
    if (refusal && monotonicClock() < refusal.until) throw refusal.error
    try {
      return await mintOrRenew(key, identity)
    } catch (error) {
      if (error instanceof SmhError && ofAllUsers.has(refusalOf(error)?.code ?? '')) {
        refusal = { error, until: monotonicClock() + REFUSED_MS }
      }
      throw error
    }
  }

  /** Mints a token with the library secret, or renews the provided token. */
  async function mintOrRenew(key: string, identity: MintQuery): Promise<HeldToken> {
    const askedAt = monotonicClock()
    const limits = { deadline: performance.now() + timeoutMs }
    const reply =
      smh.credential.kind === 'library-secret'
        ? await send(
            {
              operation: 'mint-token',
              method: 'GET',
              path: '/token',
              query: {
                library_id: smh.libraryId,
                library_secret: smh.credential.secret.reveal(),
                period: smh.tokenPeriodSeconds,
                ...identity,
              },
              repeatable: true,
              ...(identity.user_id !== undefined && { user: identity.user_id }),
              ...(identity.grant === undefined && { isAnswer: asksForSpace }),
            },
            limits,
          )
        : await send(
            {
              operation: 'renew-token',
              method: 'POST',
              path: `/token/${[smh.libraryId, renewable(key, smh.credential.token)].map(encodeURIComponent).join('/')}`,
              query: {},
              repeatable: true,
            },
            limits,
          )
    const { accessToken, expiresIn } = reply.read(tokenReply)
    const token = {
      value: accessToken,
      idleMs: expiresIn * 1000,
      goodUntil: askedAt + expiresIn * 1000,
    }
    held.set(key, token)
    return token
  }

  async function useToken<T>(token: HeldToken, call: (token: string) => Promise<T>): Promise<T> {
    const usedAt = monotonicClock()
    const result = await call(token.value)
    token.goodUntil = Math.max(token.goodUntil, usedAt + token.idleMs)
    return result
  }

  return {
    async use(scope, limits, call) {
      const identity = identityOf(scope)
      const token = await goodForUser(identity, limits)
      try {
        return await useToken(token, call)
      } catch (error) {
        const refused = refusalOf(error)
        if (!refused || meaningOf(refused) !== 'token_dead') throw error
        // No later call may use this token.
        token.goodUntil = 0
        return useToken(await goodForUser(identity, limits), call)
      }
    },

    async ready(limits, refresh = false) {
      const have = (identity: MintQuery) =>
        refresh ? within(limits, fresh(JSON.stringify(identity), identity)) : good(identity, limits)
      if (smh.tokenMode === 'shared') {
        await have(identityOf({ userId: '', spaceId: '' }))
        return
      }
      // A token without a user and with read access only: it proves that the secret works.
      try {
        await have({ grant: undefined, user_id: undefined, space_id: fixedSpace() })
      } catch (error) {
        if (!asksForSpace(refusalOf(error))) throw error
      }
    },

    async keepAlive() {
      if (smh.credential.kind === 'library-secret') return
      const identity = identityOf({ userId: '', spaceId: '' })
      const key = JSON.stringify(identity)
      const token = held.get(key)
      if (token && monotonicClock() < token.goodUntil - token.idleMs / 2) return
      await fresh(key, identity)
    },
  }
}

type MintQuery = Record<'grant' | 'user_id' | 'space_id', string | undefined>

function margin(token: HeldToken): number {
  return Math.max(MIN_MARGIN_MS, token.idleMs / 10)
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
