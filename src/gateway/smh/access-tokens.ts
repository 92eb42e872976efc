import { LRUCache } from 'lru-cache'
import type { SmhConfig, UploadRules } from '../config/parse.ts'
import type { Secret } from '../config/secret.ts'
import type { Clock, SingleFlight } from '../ports.ts'
import { meaningOf } from './error-codes.ts'
import { tokenReply } from './replies.ts'
import { type Refusal, refusalOf, SmhError } from './smh-error.ts'
import type { CallLimits, SmhTransport } from './transport.ts'

/** Whom a token is for. In `shared` mode one token serves everybody. */
interface TokenOwner {
  userId: string
  spaceId: string
}

/**
 * Custody of SMH's access tokens: they are made, kept and replaced here, in memory only, and are
 * seen by nobody but the call that is handed one.
 */
export interface AccessTokens {
  /**
   * Runs `call` with a token that should be good. When SMH says that it is not (403
   * `InvalidAccessToken`), gets another and runs `call` once more. Waits for a token no longer than
   * `limits` has it, while the mint itself goes on for whoever else waits.
   */
  use<T>(owner: TokenOwner, limits: CallLimits, call: (token: string) => Promise<T>): Promise<T>
  /**
   * Resolves when a token can be had; rejects with what stands against it.
   *
   * @param anew one that is held does not count: SMH has to answer
   */
  ready(limits: CallLimits, anew?: boolean): Promise<void>
  /**
   * Renews a token that was made elsewhere once half of its idle time is over; to be called now and
   * then. Tokens minted here need none of this: they can be minted again. Rejects as `ready` does.
   */
  keepAlive(): Promise<void>
}

interface HeldToken {
  readonly value: string
  readonly idleMs: number
  /** Moves with every use, as SMH's own deadline does (docs/smh-protocol.md#3.2). By the steady clock. */
  goodUntil: number
}

/** Tokens of as many users at once are remembered in `per-user` mode: some 10 MB. */
const MAX_HELD_TOKENS = 10_000

/** Replaced when less than this, or a tenth of its idle time, is left (docs/smh-protocol.md#13). */
const MIN_MARGIN_MS = 60_000

/** How long a refusal that only the operator can mend stands for all callers, milliseconds. */
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
  /** For one mint or renewal, whoever waits for it. */
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

  /** What a token is minted for; at the same time what it is remembered by. */
  function identityOf(owner: TokenOwner): MintQuery {
    if (smh.tokenMode === 'per-user') {
      return {
        grant: perUserGrants,
        user_id: owner.userId,
        space_id: owner.spaceId === '-' ? undefined : owner.spaceId,
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

  /** What the last renewal gave (docs/smh-protocol.md#3.3), at first what the configuration has. */
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

  /** Mints a token of the library secret, or renews the one that was made elsewhere. */
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
    async use(owner, limits, call) {
      const identity = identityOf(owner)
      const token = await goodForUser(identity, limits)
      try {
        return await useToken(token, call)
      } catch (error) {
        const refused = refusalOf(error)
        if (!refused || meaningOf(refused) !== 'token_dead') throw error
        // From here on nobody takes this one for good: there is another one, or none.
        token.goodUntil = 0
        return useToken(await goodForUser(identity, limits), call)
      }
    },

    async ready(limits, anew = false) {
      const have = (identity: MintQuery) =>
        anew ? within(limits, fresh(JSON.stringify(identity), identity)) : good(identity, limits)
      if (smh.tokenMode === 'shared') {
        await have(identityOf({ userId: '', spaceId: '' }))
        return
      }
      // A token of nobody's that may only read: it proves the secret without standing for a user.
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
