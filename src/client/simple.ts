import type { Gateway, SignedCredentials } from './api.ts'
import { hasCode, limitOf, UploadError } from './errors.ts'
import type { BeginUpload } from './gateway-types.ts'
import { MIB } from './parts.ts'

/** The gateway's default for the largest simple upload. */
export const SIMPLE_MAX_BYTES = MIB

/** How much of a confirm key identifies it: its signature. */
const KEY_CHARACTERS = 43

/** Begins a simple upload once more, with another confirm key. Default: with a new Idempotency-Key. */
export type BeginAgain = (
  gateway: Pick<Gateway, 'begin'>,
  idempotencyKey?: string,
) => Promise<SignedCredentials>

/** An upload that has begun. */
export interface Begun {
  signed: SignedCredentials
  /** Only for a simple upload: its credentials cannot be renewed. */
  beginAgain?: BeginAgain
}

export interface SimpleServices {
  gateway: Gateway
  /** The largest simple upload that the gateway accepts, as far as the client knows. All uploads share this value. */
  simple: { maxBytes: number }
}

/** Begins a small file as a simple upload: one request to COS, and no parts. Begins other files with parts. */
export async function beginBySize(
  { gateway, simple }: SimpleServices,
  wanted: BeginUpload,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Begun> {
  const begin = async () => ({ signed: await gateway.begin(wanted, headers, signal) })
  if (wanted.size > simple.maxBytes) return begin()
  const beginAgain = simpleBegin(wanted, headers, signal)
  try {
    return { signed: await beginAgain(gateway), beginAgain }
  } catch (error) {
    if (!hasCode(error, 'file_too_large') || wanted.size === 0) throw error
    // The gateway may refuse the size of every upload. If begin works with parts, later uploads have parts too.
    const begun = await begin()
    simple.maxBytes = Math.min(simple.maxBytes, wanted.size - 1, limitOf(error) ?? Infinity)
    return begun
  }
}

/** Creates the begin of a simple upload. */
export function simpleBegin(
  wanted: BeginUpload,
  headers: Record<string, string>,
  signal: AbortSignal,
): BeginAgain {
  return (gateway, idempotencyKey) =>
    gateway.begin({ ...wanted, method: 'simple' }, headers, signal, idempotencyKey)
}

/**
 * Aborts a simple upload and begins it again. The abort is first, because it finds out whether another device
 * has completed the upload, and because a user has a limited number of open uploads.
 *
 * @throws UploadError `upload_complete`; `upload_not_found` when another device has begun it again. Also when the abort fails, because the earlier upload might still be completed
 */
export async function replaceSimple(
  gateway: Pick<Gateway, 'abort' | 'begin'>,
  confirmKey: string,
  beginAgain: BeginAgain,
): Promise<SignedCredentials> {
  await gateway.abort(confirmKey)
  // Two devices may replace the same upload at the same time. With one key, only one of their uploads stays.
  const idempotencyKey = `again-${confirmKey.slice(-KEY_CHARACTERS)}`
  try {
    return await beginAgain(gateway, idempotencyKey)
  } catch (error) {
    if (!hasCode(error, 'idempotency_key_reused')) throw error
    throw new UploadError('upload_not_found', 'Another device has begun this upload again.')
  }
}
