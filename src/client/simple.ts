import type { Gateway, SignedCredentials } from './api.ts'
import { hasCode, limitOf } from './errors.ts'
import type { BeginUpload } from './gateway-types.ts'
import { MIB } from './parts.ts'

/** The gateway's default for the largest simple upload. */
export const SIMPLE_MAX_BYTES = MIB

/** Begins a simple upload once more, with another confirm key. */
export type BeginAgain = (gateway: Pick<Gateway, 'begin'>) => Promise<SignedCredentials>

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

/** Creates the begin of a simple upload. Each call has an Idempotency-Key of its own. */
export function simpleBegin(
  wanted: BeginUpload,
  headers: Record<string, string>,
  signal: AbortSignal,
): BeginAgain {
  return (gateway) => gateway.begin({ ...wanted, method: 'simple' }, headers, signal)
}

/**
 * Aborts a simple upload and begins it again. The abort is first, because it finds out whether another device
 * has completed the upload, and because a user has a limited number of open uploads.
 *
 * @throws UploadError `upload_complete`. Also when the abort fails, because the earlier upload might still be completed
 */
export async function replaceSimple(
  gateway: Pick<Gateway, 'abort' | 'begin'>,
  confirmKey: string,
  beginAgain: BeginAgain,
): Promise<SignedCredentials> {
  await gateway.abort(confirmKey)
  return beginAgain(gateway)
}
