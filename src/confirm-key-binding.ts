import { base64url } from 'jose'
import type { ConfirmKeyConfig, ConflictStrategy } from './config.ts'
import type { Place } from './policy.ts'

/** The facts about an upload that later calls rely on; SMH does not keep the size or the end. */
export interface UploadFacts {
  smhConfirmKey: string
  /** Bytes, as declared at begin. */
  size: number
  strategy: ConflictStrategy
  /** The upload's own end, whole seconds since the epoch. */
  endsAt: number
}

declare const owned: unique symbol

/** An upload that belongs to the user of `place`. Only opening a binding makes one. */
export interface OwnedUpload extends Readonly<UploadFacts> {
  readonly [owned]: true
  readonly place: Place
}

export interface ConfirmKeyBinding {
  /** The confirm key that this user may know the upload by. URL-safe. */
  bind(place: Place, facts: UploadFacts): Promise<string>
  /**
   * @param now milliseconds since the epoch
   * @returns undefined when the key is not one that was made here for this user and space, or when
   *   its end has passed
   */
  open(place: Place, confirmKey: string, now: number): Promise<OwnedUpload | undefined>
}

/**
 * `1.<end>.<size>.<strategy>.<SMH's confirm key>.<MAC>`, fields in base 36 and base64url.
 * The user and the space are under the MAC without being in the key: the verified token brings them.
 * The longest confirm key that replies.ts takes from SMH has 256 bytes, 342 characters here.
 */
const shape = /^(1\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})\.([rao])\.([\w-]{2,342}))\.([\w-]{43})$/

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
 * Ties SMH's confirm keys to their owners with HMAC-SHA-256, so that no store is needed and no other
 * user can name the upload.
 *
 * @param realm what else sets keys of one deployment apart (issuer and library): a user id means
 *   nothing without its issuer, and two deployments may be given the same secret
 */
export function createConfirmKeyBinding(
  config: ConfirmKeyConfig,
  realm: readonly string[],
): ConfirmKeyBinding {
  // A settled value only: on Workers no request may await a promise that another one began.
  let settled: CryptoKey[] | undefined

  async function keys(): Promise<CryptoKey[]> {
    settled ??= await importKeys(config)
    return settled
  }

  function covered(place: Place, fields: string): Uint8Array<ArrayBuffer> {
    // JSON keeps the borders between the strings, whatever they contain.
    return new TextEncoder().encode(JSON.stringify([...realm, place.spaceId, place.userId, fields]))
  }

  return {
    async bind(place, facts) {
      const [signing] = await keys()
      const fields = [
        '1',
        facts.endsAt.toString(36),
        facts.size.toString(36),
        letterOf[facts.strategy],
        base64url.encode(facts.smhConfirmKey),
      ].join('.')
      const mac = await crypto.subtle.sign('HMAC', signing as CryptoKey, covered(place, fields))
      return `${fields}.${base64url.encode(new Uint8Array(mac))}`
    },

    async open(place, confirmKey, now) {
      const match = shape.exec(confirmKey)
      if (!match) return undefined
      const [, fields, endsAt, size, letter, smhConfirmKey, mac] = match as unknown as Groups
      const macBytes = new Uint8Array(base64url.decode(mac))
      // 43 characters hold two bits more than the MAC: only one spelling of it is the key.
      if (base64url.encode(macBytes) !== mac) return undefined
      const message = covered(place, fields)
      for (const key of await keys()) {
        // subtle.verify compares in constant time.
        if (await crypto.subtle.verify('HMAC', key, macBytes, message)) {
          const facts: UploadFacts = {
            smhConfirmKey: new TextDecoder().decode(base64url.decode(smhConfirmKey)),
            size: Number.parseInt(size, 36),
            strategy: strategyOf[letter as keyof typeof strategyOf],
            endsAt: Number.parseInt(endsAt, 36),
          }
          return facts.endsAt * 1000 > now ? ({ ...facts, place } as OwnedUpload) : undefined
        }
      }
      return undefined
    },
  }
}

const hmac = { name: 'HMAC', hash: 'SHA-256', length: 256 } as const

async function importKeys(config: ConfirmKeyConfig): Promise<CryptoKey[]> {
  const utf8 = new TextEncoder()
  if (config.kind === 'given') {
    return Promise.all(
      config.secrets.map((secret) =>
        crypto.subtle.importKey(
          'raw',
          utf8.encode(secret.reveal()),
          { name: 'HMAC', hash: 'SHA-256' },
          false,
          ['sign', 'verify'],
        ),
      ),
    )
  }
  // RFC 5869. No salt: the secret is random, and every instance has to come to the same key.
  const master = await crypto.subtle.importKey(
    'raw',
    utf8.encode(config.from.reveal()),
    'HKDF',
    false,
    ['deriveKey'],
  )
  const derivation = {
    name: 'HKDF',
    hash: 'SHA-256',
    salt: new Uint8Array(),
    info: utf8.encode('smh-upload-gateway confirm key 1'),
  }
  return [await crypto.subtle.deriveKey(derivation, master, hmac, false, ['sign', 'verify'])]
}
