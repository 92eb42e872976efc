import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
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
  bind(place: Place, facts: UploadFacts): string
  /**
   * @param now milliseconds since the epoch
   * @returns undefined when the key is not one that was made here for this user and space, or when
   *   its end has passed
   */
  open(place: Place, confirmKey: string, now: number): OwnedUpload | undefined
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
  // Those of WebCrypto, which computes elsewhere, cost several times as much for so little.
  const [signing, ...others] = macsOf(config)

  function covered(place: Place, fields: string): Uint8Array<ArrayBuffer> {
    // JSON keeps the borders between the strings, whatever they contain.
    return new TextEncoder().encode(JSON.stringify([...realm, place.spaceId, place.userId, fields]))
  }

  return {
    bind(place, facts) {
      const fields = [
        '1',
        facts.endsAt.toString(36),
        facts.size.toString(36),
        letterOf[facts.strategy],
        base64url.encode(facts.smhConfirmKey),
      ].join('.')
      return `${fields}.${base64url.encode(signing(covered(place, fields)))}`
    },

    open(place, confirmKey, now) {
      const match = shape.exec(confirmKey)
      if (!match) return undefined
      const [, fields, endsAt, size, letter, smhConfirmKey, mac] = match as unknown as Groups
      // 43 characters hold two bits more than the MAC: only one spelling of it is the key.
      const macBytes = base64url.decode(mac)
      if (base64url.encode(macBytes) !== mac) return undefined
      const message = covered(place, fields)
      if (![signing, ...others].some((sign) => areEqual(sign(message), macBytes))) return undefined
      const facts: UploadFacts = {
        smhConfirmKey: new TextDecoder().decode(base64url.decode(smhConfirmKey)),
        size: Number.parseInt(size, 36),
        strategy: strategyOf[letter as keyof typeof strategyOf],
        endsAt: Number.parseInt(endsAt, 36),
      }
      return facts.endsAt * 1000 > now ? ({ ...facts, place } as OwnedUpload) : undefined
    },
  }
}

type Mac = (message: Uint8Array) => Uint8Array

/** The first signs, all verify. */
function macsOf(config: ConfirmKeyConfig): [Mac, ...Mac[]] {
  const utf8 = new TextEncoder()
  if (config.kind === 'given') {
    return config.secrets.map((secret) => macOf(utf8.encode(secret.reveal()))) as [Mac, ...Mac[]]
  }
  // RFC 5869. No salt: the secret is random, and every instance has to come to the same key.
  const info = utf8.encode('smh-upload-gateway confirm key 1')
  return [macOf(hkdf(sha256, utf8.encode(config.from.reveal()), undefined, info, 32))]
}

function macOf(key: Uint8Array): Mac {
  const keyed = hmac.create(sha256, key)
  return (message) => keyed.clone().update(message).digest()
}

/** Takes the same time wherever the two differ, so that no MAC can be guessed byte by byte. */
function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length
  for (const [index, byte] of one.entries()) difference |= byte ^ (other[index] ?? 0)
  return difference === 0
}
