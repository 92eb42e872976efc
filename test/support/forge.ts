import { createServer } from 'node:net'
import { base64url, exportJWK, exportSPKI, generateKeyPair } from 'jose'
import { onTestFinished } from 'vitest'
import type { Harness } from './harness.ts'

const subtle = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  EdDSA: { name: 'Ed25519' },
}

type Algorithm = keyof typeof subtle

// Once for all tests: an RSA key takes longer than most of them.
const pairs = Object.fromEntries(
  await Promise.all(
    Object.keys(subtle).map(async (alg) => {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
      const jwk = { ...(await exportJWK(publicKey)), kid: `forge-${alg}`, alg, use: 'sig' }
      return [alg, { publicKey, privateKey, jwk, pem: await exportSPKI(publicKey) }]
    }),
  ),
) as Record<Algorithm, Pair>

interface Pair {
  publicKey: CryptoKey
  privateKey: CryptoKey
  jwk: Record<string, unknown>
  pem: string
}

/** The parts of a token. Objects are written as JSON, other values unchanged. */
export interface Parts {
  header?: object | string | Uint8Array
  payload?: object | string | Uint8Array
  /** The key that signs. Default: an ES256 key. */
  by?: Algorithm
}

/**
 * Signs any header and claims with keys that the harness's issuer publishes from now on, besides its own.
 * So each attack is valid except for its one flaw.
 */
export function startForge(harness: Harness) {
  const published = Object.values(pairs).map(({ jwk }) => jwk)
  harness.issuer.rehearse((document, usual) => ({
    body: document === 'keys' ? { keys: [...(usual.keys as unknown[]), ...published] } : usual,
  }))
  const now = Math.floor(harness.clock() / 1000)

  /** Claims that the gateway accepts, and the given ones, which win. */
  const claims = (more: object = {}) => ({
    iss: harness.issuer.issuer,
    aud: harness.issuer.audience,
    sub: 'ann',
    iat: now,
    exp: now + 60,
    ...more,
  })
  const header = (more: object = {}, alg: Algorithm = 'ES256') => ({
    alg,
    kid: pairs[alg].jwk.kid,
    typ: 'JWT',
    ...more,
  })

  async function sign(input: Uint8Array | string, by: Algorithm = 'ES256'): Promise<string> {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input
    const signature = await crypto.subtle.sign(
      subtle[by],
      pairs[by].privateKey,
      bytes as Uint8Array<ArrayBuffer>,
    )
    return base64url.encode(new Uint8Array(signature))
  }

  async function token({ by = 'ES256', ...parts }: Parts = {}): Promise<string> {
    const input = `${encoded(parts.header ?? header({}, by))}.${encoded(parts.payload ?? claims())}`
    return `${input}.${await sign(input, by)}`
  }

  return { pairs, claims, header, sign, token }
}

export type Forge = ReturnType<typeof startForge>

/** One part of a token in base64url. */
export function encoded(part: object | string | Uint8Array): string {
  if (part instanceof Uint8Array || typeof part === 'string') return base64url.encode(part)
  return base64url.encode(JSON.stringify(part))
}

/** A loopback address that a token may name, and the number of calls to it. */
export async function startTrap() {
  let callers = 0
  const server = createServer((socket) => {
    callers += 1
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}/keys`, callers: () => callers }
}
