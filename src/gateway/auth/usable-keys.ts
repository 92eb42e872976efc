import { importJWK, type JWK } from 'jose'
import * as z from 'zod'

/** The members of a public key that verification needs (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). */
const publicKeySchema = z
  .looseObject({
    kty: z.enum(['RSA', 'EC', 'OKP']),
    kid: z.string().optional(),
    alg: z.string().optional(),
    use: z.literal('sig').optional(),
    key_ops: z.array(z.string()).optional(),
    crv: z.string().optional(),
  })
  // With a published private key anyone could sign tokens.
  .refine((key) => key.d === undefined)

/** Number of keys that are checked before other requests may run. */
const KEYS_IN_A_ROW = 8

/**
 * Returns the keys of a key set that can verify tokens with one of `algorithms`. Members that verification
 * does not need are removed.
 */
export async function usableKeys(
  keys: readonly unknown[],
  algorithms: readonly string[],
): Promise<JWK[]> {
  const usable: JWK[] = []
  for (const [index, candidate] of keys.entries()) {
    if (index > 0 && index % KEYS_IN_A_ROW === 0) await pause()
    const parsed = publicKeySchema.safeParse(candidate)
    if (!parsed.success) continue
    const { kty, kid, alg, key_ops, crv, x, y, n, e } = parsed.data
    if (alg !== undefined && !algorithms.includes(alg)) continue
    const key = withoutUndefined({ kty, kid, alg, key_ops, crv, x, y, n, e })
    if (await canVerify(key, alg ?? usualAlgorithm(kty, crv))) usable.push(key)
  }
  return usable
}

/** The algorithm to test a key with that names none. */
function usualAlgorithm(kty: 'RSA' | 'EC' | 'OKP', crv: string | undefined): string {
  if (kty === 'RSA') return 'RS256'
  if (kty === 'OKP') return 'EdDSA'
  return { 'P-384': 'ES384', 'P-521': 'ES512' }[crv ?? ''] ?? 'ES256'
}

async function canVerify(key: JWK, algorithm: string): Promise<boolean> {
  try {
    const imported = await importJWK(key, algorithm)
    if (imported instanceof Uint8Array) return false
    // RFC 7518 §3.3 and §3.5: 2048 bits or more.
    const { modulusLength = 2048 } = imported.algorithm as { modulusLength?: number }
    return modulusLength >= 2048 && imported.usages.includes('verify')
  } catch {
    return false
  }
}

/** Lets other requests run. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}

function withoutUndefined(members: Record<string, unknown>): JWK {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as unknown as JWK
}
