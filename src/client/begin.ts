import type { Gateway, SignedCredentials } from './api.ts'
import { hasCode, limitOf, UploadError } from './errors.ts'
import type { BeginUpload, StoredFile } from './gateway-types.ts'
import { type HashWorker, hashFile } from './hash-file.ts'
import { beginningHash, canHash, MIN_INSTANT_BYTES } from './hashes.ts'
import { metadataHeaders } from './metadata.ts'
import { type ArrivedPart, MIB, partBytesFor, resumedPartBytes } from './parts.ts'
import type { ResumeOptions, UploadOptions } from './types.ts'

/** The dependencies of begin and resume. */
export interface BeginServices {
  gateway: Gateway
  /** The app's option `partSize`. */
  partBytes: number | undefined
  hashWorker: HashWorker | undefined
  /**
   * Whether the gateway refuses instant uploads. All uploads share this value, so only one of them sends a
   * refused request.
   */
  instant: { refused: boolean }
  /** The largest simple upload that the gateway accepts, as far as the client knows. All uploads share this value. */
  simple: { maxBytes: number }
}

/** The gateway's default for the largest simple upload. */
export const SIMPLE_MAX_BYTES = MIB

/** The result of begin or resume: a file that is already stored, or parts to send. */
export type BeginResult =
  | { kind: 'stored'; file: StoredFile }
  | { kind: 'confirmed'; confirmKey: string }
  | {
      kind: 'open'
      confirmKey: string
      signed: SignedCredentials
      /** The size of each part but the last. A simple upload has one part. */
      partBytes: number
      arrived: readonly ArrivedPart[]
      /** Begins a simple upload again. Its credentials cannot be renewed. */
      beginAgain?: BeginAgain
    }

type BeginAgain = (gateway: Pick<Gateway, 'begin'>) => Promise<SignedCredentials>

/** Begins an upload. Asks first whether SMH already has the file. */
export async function beginUpload(
  services: BeginServices,
  source: Blob,
  options: UploadOptions,
  signal: AbortSignal,
): Promise<BeginResult> {
  const partBytes = partBytesFor(source.size, services.partBytes)
  const result = await beginOrFind(services, source, options, signal)
  if ('file' in result) return { kind: 'stored', file: result.file }
  const { confirmKey } = result.signed.credentials
  return { kind: 'open', confirmKey, partBytes, arrived: [], ...result }
}

type Begun = Pick<Extract<BeginResult, { kind: 'open' }>, 'signed' | 'beginAgain'>

async function beginOrFind(
  services: BeginServices,
  source: Blob,
  options: UploadOptions,
  signal: AbortSignal,
): Promise<Begun | { file: StoredFile }> {
  const { gateway, hashWorker, instant } = services
  const wanted = wantedUpload(source, options)
  const headers = metadataHeaders(options.metadata ?? {})
  const begin = () => beginBySize(services, wanted, headers, signal)

  const mayAsk = options.instant !== false && !instant.refused
  if (!mayAsk || source.size < MIN_INSTANT_BYTES || !canHash()) return begin()

  const withHash = { ...wanted, beginningHash: await beginningHash(source, signal) }
  try {
    const outcome = await gateway.instant(withHash, headers, signal)
    if (outcome.kind !== 'full_hash_required') return outcome
  } catch (error) {
    if (!hasCode(error, 'not_permitted')) throw error
    // The gateway may refuse the hashes only. If begin works without them, later uploads skip them.
    const result = await begin()
    instant.refused = true
    return result
  }
  const fullHash = await hashFile(source, hashWorker, signal)
  const outcome = await gateway.instant({ ...withHash, fullHash }, headers, signal)
  // If SMH asks for the full hash again, the client sends the file.
  return outcome.kind === 'full_hash_required' ? begin() : outcome
}

/** Begins small files as simple uploads: one request to COS, and no parts. */
async function beginBySize(
  { gateway, simple }: BeginServices,
  wanted: BeginUpload,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Begun> {
  const begin = async () => ({ signed: await gateway.begin(wanted, headers, signal) })
  if (wanted.size > simple.maxBytes) return begin()
  const beginAgain: BeginAgain = (gateway) =>
    gateway.begin({ ...wanted, method: 'simple' }, headers, signal)
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

/** Reads which parts of an upload have arrived, and renews its credentials. Begins a simple upload again. */
export async function resumeUpload(
  { gateway, partBytes }: BeginServices,
  confirmKey: string,
  source: Blob,
  options: ResumeOptions,
  signal: AbortSignal,
): Promise<BeginResult> {
  const status = await gateway.status(confirmKey, signal)
  const { confirmed, size, method, path, parts: arrived = [] } = status
  if (size !== source.size) {
    throw new UploadError(
      'source_changed',
      'This upload was started with a file of a different size.',
    )
  }
  if (confirmed) return { kind: 'confirmed', confirmKey }
  const configured = partBytesFor(size, partBytes)
  try {
    if (method === 'simple') {
      if (!path) throw new UploadError('upload_not_found', 'The folder of this upload is gone.')
      const again = wantedUpload(source, { ...options, path: path.join('/') })
      const beginAgain: BeginAgain = (gateway) => gateway.begin({ ...again, method }, {}, signal)
      const signed = await replaceSimple(gateway, confirmKey, beginAgain)
      const newKey = signed.credentials.confirmKey
      return {
        kind: 'open',
        confirmKey: newKey,
        signed,
        partBytes: configured,
        arrived,
        beginAgain,
      }
    }
    const signed = await gateway.renew(confirmKey, options.trafficLimit, signal)
    const partBytesAtBegin = resumedPartBytes(size, configured, arrived)
    return { kind: 'open', confirmKey, signed, partBytes: partBytesAtBegin, arrived }
  } catch (error) {
    // Another device has completed the upload since.
    if (hasCode(error, 'upload_complete')) return { kind: 'confirmed', confirmKey }
    throw error
  }
}

/**
 * Aborts a simple upload and begins it again. The abort is first, because it finds out whether another device
 * has completed the upload, and because a user has a limited number of open uploads.
 *
 * @throws UploadError `upload_complete`
 */
export async function replaceSimple(
  gateway: Pick<Gateway, 'abort' | 'begin'>,
  confirmKey: string,
  beginAgain: BeginAgain,
): Promise<SignedCredentials> {
  await gateway.abort(confirmKey).catch((error) => {
    // Otherwise the earlier upload stays open until its end.
    if (hasCode(error, 'upload_complete')) throw error
  })
  return beginAgain(gateway)
}

/** The fields that begin and complete share. */
export function fileDetails(options: ResumeOptions) {
  const { labels, category, localCreationTime, localModificationTime } = options
  return {
    ...(labels && { labels }),
    ...(category !== undefined && { category }),
    ...(localCreationTime && { localCreationTime: dateTime(localCreationTime) }),
    ...(localModificationTime && { localModificationTime: dateTime(localModificationTime) }),
  }
}

function wantedUpload(source: Blob, options: UploadOptions): BeginUpload {
  const { path, strategy, trafficLimit, preferSameOrigin } = options
  return {
    path,
    size: source.size,
    ...(strategy && { conflictResolutionStrategy: strategy }),
    ...(trafficLimit !== undefined && { trafficLimit }),
    ...(preferSameOrigin !== undefined && { preferSameOrigin }),
    ...fileDetails(options),
  }
}

function dateTime(time: Date | string): string {
  return typeof time === 'string' ? time : time.toISOString()
}
