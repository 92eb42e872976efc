import type { SmhConfig, UploadRules } from '../config/parse.ts'
import { tokenReply } from './replies.ts'
import type { Refusal } from './smh-error.ts'
import type { SmhTransport } from './transport.ts'
import type { UploadScope } from './upload.ts'

/** The user and space of a token. In `shared` mode one token serves all users. */
export type TokenScope = Pick<UploadScope, 'userId' | 'spaceId'>

/** What a token is minted for. */
export interface TokenIdentity {
  /** Its key in the cache. */
  readonly key: string
  readonly grant?: string | undefined
  readonly userId?: string | undefined
  readonly spaceId?: string | undefined
}

interface NewToken {
  value: string
  /** Its lifetime without use (docs/smh-protocol.md#3.2), milliseconds. */
  idleMs: number
}

/** Sends the requests for tokens. It has no state. */
export interface TokenRequests {
  /** The identity of the token for a scope. In `shared` mode it is the same for all users. */
  identityOf(scope: TokenScope): TokenIdentity
  /** For the readiness check: without a user and with read access only. It proves that the secret works. */
  probe: TokenIdentity
  /**
   * Mints a token with the library secret, or renews the provided token. Rejects with SmhError.
   *
   * @param renewed the token of the last renewal (docs/smh-protocol.md#3.3). Default: the configured one
   */
  mintOrRenew(identity: TokenIdentity, renewed: string | undefined): Promise<NewToken>
  /**
   * The space comes from a claim, so the readiness check has none. SMH may refuse a mint without a space.
   */
  asksForSpace(refusal: Refusal | undefined): boolean
}

/** @param options.timeoutMs of one mint or renewal */
export function createTokenRequests(options: {
  smh: SmhConfig
  upload: UploadRules
  send: SmhTransport
  timeoutMs: number
}): TokenRequests {
  const { smh, upload, send, timeoutMs } = options
  const perUserGrants = [
    upload.conflictStrategies.has('overwrite') ? 'upload_file_force' : 'upload_file',
    ...(upload.createParents ? ['create_directory'] : []),
  ].join(',')
  // In a single-tenant library tokens are minted without a space (docs/smh-protocol.md#3.1).
  const fixedSpace = smh.space.kind === 'fixed' && smh.space.id !== '-' ? smh.space.id : undefined
  // A token without a user may act for the user of each call (docs/smh-protocol.md#3.9).
  const shared: TokenIdentity = { key: 'shared', grant: 'admin', spaceId: fixedSpace }
  const asksForSpace = (refusal: Refusal | undefined) =>
    smh.space.kind === 'claim' && refusal?.status === 400

  return {
    probe: { key: 'probe', spaceId: fixedSpace },
    asksForSpace,

    identityOf({ userId, spaceId }) {
      if (smh.tokenMode === 'shared') return shared
      return {
        key: JSON.stringify([userId, spaceId]),
        grant: perUserGrants,
        userId,
        spaceId: spaceId === '-' ? undefined : spaceId,
      }
    },

    async mintOrRenew(identity, renewed) {
      const limits = { deadline: performance.now() + timeoutMs }
      const { credential, libraryId } = smh
      const response =
        credential.kind === 'library-secret'
          ? await send(
              {
                operation: 'mint-token',
                method: 'GET',
                path: '/token',
                query: {
                  library_id: libraryId,
                  library_secret: credential.secret.reveal(),
                  period: smh.tokenPeriodSeconds,
                  grant: identity.grant,
                  user_id: identity.userId,
                  space_id: identity.spaceId,
                },
                repeatable: true,
                user: identity.userId,
                ...(identity.grant === undefined && { isExpected: asksForSpace }),
              },
              limits,
            )
          : await send(
              {
                operation: 'renew-token',
                method: 'POST',
                path: `/token/${[libraryId, renewed ?? credential.token.reveal()].map(encodeURIComponent).join('/')}`,
                query: {},
                repeatable: true,
              },
              limits,
            )
      const { accessToken, expiresIn } = response.read(tokenReply)
      return { value: accessToken, idleMs: expiresIn * 1000 }
    },
  }
}
