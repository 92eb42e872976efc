import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { ConfirmKeyConfig } from '../config/parse.ts'
import type { ConfirmKeyClaims, OwnedUpload, UploadScope } from '../smh/upload.ts'

export interface ConfirmKeySigner {
  /** Signs a confirm key for this user. The key is URL-safe. */
  sign(scope: UploadScope, claims: ConfirmKeyClaims): string
  /**
   * @param now milliseconds since the epoch
   * @returns undefined when the key was not signed here for this user and space, or has expired
   */
  verify(scope: UploadScope, confirmKey: string, now: number): OwnedUpload | undefined
}

/**
 * `1.<end>.<size>.<strategy>.<SMH's confirm key>.<MAC>`, fields in base 36 and base64url. The letter of the
 * strategy is a capital for a simple upload. The MAC also covers the user and the space. They are not in the key, because the verified token provides them. SMH's
 * confirm key has at most 256 bytes (replies.ts), which are 342 characters here.
 */
const shape = /^(1\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([raoRAO])\.([\w-]{2,342}))\.([\w-]{43})$/

/** The groups of {@link shape}, each of which a match has. */
type Groups = [
  whole: string,
  fields: string,
  endsAt: string,
  size: string,
  letter: string,
  smhConfirmKey: string,
  mac: string,
]

const letterOf = { rename: 'r', ask: 'a', overwrite: 'o' } as const
const strategyOf = { r: 'rename', a: 'ask', o: 'overwrite' } as const

/**
 * Signs SMH's confirm keys for their users with HMAC-SHA-256. So the gateway needs no store, and no other
 * user can use a key.
 *
 * @param realm distinguishes the keys of deployments that share a secret: issuer, name of the user claim,
 *   and library. A user id is unique only together with its issuer and claim
 */
export function createConfirmKeySigner(
  config: ConfirmKeyConfig,
  realm: readonly string[],
): ConfirmKeySigner {
  // Node's crypto also exists on Workers. WebCrypto costs more, because it is asynchronous.
  const [signing, ...others] = keysOf(config)

  function hmac(key: KeyObject, scope: UploadScope, fields: string): ReturnType<typeof createHmac> {
    // JSON keeps the strings separate, whatever they contain.
    const covered = JSON.stringify([...realm, scope.spaceId, scope.userId, fields])
    return createHmac('sha256', key).update(covered)
  }

  return {
    sign(scope, claims) {
      const fields = [
        '1',
        claims.endsAt.toString(36),
        claims.size.toString(36),
        claims.method === 'simple'
          ? letterOf[claims.strategy].toUpperCase()
          : letterOf[claims.strategy],
        Buffer.from(claims.smhConfirmKey).toString('base64url'),
      ].join('.')
      return `${fields}.${hmac(signing, scope, fields).digest('base64url')}`
    },

    verify(scope, confirmKey, now) {
      const match = shape.exec(confirmKey)
      if (!match) return undefined
      const [, fields, endsAt, size, letter, smhConfirmKey, theirs] = match as unknown as Groups
      // 43 characters hold two bits more than the MAC. Only the encoding whose extra bits are zero is
      // valid.
      const given = Buffer.from(theirs, 'base64url')
      if (given.toString('base64url') !== theirs) return undefined
      const isOurs = [signing, ...others].some((key) =>
        timingSafeEqual(hmac(key, scope, fields).digest(), given),
      )
      if (!isOurs) return undefined
      const claims: ConfirmKeyClaims = {
        smhConfirmKey: Buffer.from(smhConfirmKey, 'base64url').toString(),
        size: Number.parseInt(size, 36),
        method: letter === letter.toLowerCase() ? 'multipart' : 'simple',
        strategy: strategyOf[letter.toLowerCase() as keyof typeof strategyOf],
        endsAt: Number.parseInt(endsAt, 36),
      }
      return claims.endsAt * 1000 > now ? ({ ...claims, scope } as OwnedUpload) : undefined
    },
  }
}

/** The first signs, all verify. */
function keysOf(config: ConfirmKeyConfig): [KeyObject, ...KeyObject[]] {
  if (config.kind === 'given') {
    const keys = config.secrets.map((secret) => createSecretKey(secret.reveal(), 'utf8'))
    return keys as [KeyObject, ...KeyObject[]]
  }
  // RFC 5869. No salt: the secret is random, and every instance must derive the same key.
  const info = 'smh-upload-gateway confirm key 1'
  const key = hkdfSync('sha256', config.from.reveal(), '', info, 32)
  return [createSecretKey(Buffer.from(key))]
}
