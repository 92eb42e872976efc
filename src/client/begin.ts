import { hasCode, UploadError } from './errors.ts'
import type { BeginUpload, StoredFile } from './gateway-types.ts'
import { type HashWorker, hashFile } from './hash-file.ts'
import { beginningHash, canHash, MIN_INSTANT_BYTES } from './hashes.ts'
import { metadataHeaders } from './metadata.ts'
import { type ArrivedPart, partBytesFor, resumedPartBytes } from './parts.ts'
import {
  type Begun,
  beginBySize,
  replaceSimple,
  type SimpleServices,
  simpleBegin,
} from './simple.ts'
import type { ResumeOptions, UploadOptions } from './types.ts'

/** The dependencies of begin and resume. */
export interface BeginServices extends SimpleServices {
  /** The app's option `partSize`. */
  partBytes: number | undefined
  hashWorker: HashWorker | undefined
  /**
   * Whether the gateway refuses instant uploads. All uploads share this value, so only one of them sends a
   * refused request.
   */
  instant: { refused: boolean }
}

/** The result of begin or resume: a file that is already stored, or parts to send. */
export type BeginResult =
  | { kind: 'stored'; file: StoredFile }
  | { kind: 'confirmed'; confirmKey: string }
  | OpenUploadResult

interface OpenUploadResult extends Begun {
  kind: 'open'
  confirmKey: string
  /** The size of each part but the last. A simple upload has one part. */
  partBytes: number
  arrived: readonly ArrivedPart[]
}

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
  return opened(result, partBytes)
}

function opened(
  begun: Begun,
  partBytes: number,
  arrived: readonly ArrivedPart[] = [],
): OpenUploadResult {
  const { confirmKey } = begun.signed.credentials
  return { ...begun, kind: 'open', confirmKey, partBytes, arrived }
}

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
      const wanted = wantedUpload(source, { ...options, path: path.join('/') })
      const beginAgain = simpleBegin(wanted, {}, signal)
      const signed = await replaceSimple(gateway, confirmKey, beginAgain)
      return opened({ signed, beginAgain }, configured)
    }
    const signed = await gateway.renew(confirmKey, options.trafficLimit, signal)
    return opened({ signed }, resumedPartBytes(size, configured, arrived), arrived)
  } catch (error) {
    // Another device has completed the upload since.
    if (hasCode(error, 'upload_complete')) return { kind: 'confirmed', confirmKey }
    throw error
  }
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
