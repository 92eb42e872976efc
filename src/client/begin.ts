import type { Gateway, SignedCredentials } from './api.ts'
import { hasCode, UploadError } from './errors.ts'
import type { BeginUpload, StoredFile } from './gateway-types.ts'
import { type HashWorker, hashFile } from './hash-file.ts'
import { beginningHash, canHash, LEAST_INSTANT_BYTES } from './hashes.ts'
import { metadataHeaders } from './metadata.ts'
import { type ArrivedPart, partBytesFor, resumedPartBytes } from './parts.ts'
import type { ResumeOptions, UploadOptions } from './types.ts'

/** What beginning and resuming take. */
export interface BeginServices {
  gateway: Gateway
  /** What the app wants. */
  partBytes: number | undefined
  hashWorker: HashWorker | undefined
  /** Whether the gateway takes hashes; found out once. */
  instant: { refused: boolean }
}

/** How an upload starts: with a file that is stored already, or with parts to send. */
export type BeginResult =
  | { kind: 'stored'; file: StoredFile }
  | { kind: 'confirmed'; confirmKey: string }
  | {
      kind: 'open'
      confirmKey: string
      signed: SignedCredentials
      partBytes: number
      arrived: readonly ArrivedPart[]
    }

/** Begins an upload, trying first whether SMH has the file. */
export async function beginUpload(
  services: BeginServices,
  source: Blob,
  options: UploadOptions,
  signal: AbortSignal,
): Promise<BeginResult> {
  const partBytes = partBytesFor(source.size, services.partBytes)
  const result = await beginOrFind(services, source, options, signal)
  if ('file' in result) return { kind: 'stored', file: result.file }
  const { signed } = result
  const { confirmKey } = signed.credentials
  return { kind: 'open', confirmKey, signed, partBytes, arrived: [] }
}

async function beginOrFind(
  { gateway, hashWorker, instant }: BeginServices,
  source: Blob,
  options: UploadOptions,
  signal: AbortSignal,
): Promise<{ signed: SignedCredentials } | { file: StoredFile }> {
  const wanted = wantedUpload(source, options)
  const headers = metadataHeaders(options.metadata ?? {})
  const begin = async () => ({ signed: await gateway.begin(wanted, headers, signal) })

  const mayAsk = options.instant !== false && !instant.refused
  if (!mayAsk || source.size < LEAST_INSTANT_BYTES || !canHash()) return begin()

  const withHash = { ...wanted, beginningHash: await beginningHash(source, signal) }
  try {
    const outcome = await gateway.instant(withHash, headers, signal)
    if (outcome.kind !== 'full_hash_required') return outcome
  } catch (error) {
    if (!hasCode(error, 'not_permitted')) throw error
    // It may be the hashes that are not permitted; then the same without them is.
    const answer = await begin()
    instant.refused = true
    return answer
  }
  const fullHash = await hashFile(source, hashWorker, signal)
  const outcome = await gateway.instant({ ...withHash, fullHash }, headers, signal)
  // Should it not know yet, the file is simply sent.
  return outcome.kind === 'full_hash_required' ? begin() : outcome
}

/** Finds out how far an upload has got. */
export async function resumeUpload(
  { gateway, partBytes }: BeginServices,
  confirmKey: string,
  source: Blob,
  { trafficLimit }: ResumeOptions,
  signal: AbortSignal,
): Promise<BeginResult> {
  const { confirmed, size, parts: arrived = [] } = await gateway.status(confirmKey, signal)
  if (size !== source.size) {
    throw new UploadError('source_changed', 'This upload was begun with a file of another size.')
  }
  if (confirmed) return { kind: 'confirmed', confirmKey }
  try {
    const signed = await gateway.renew(confirmKey, trafficLimit, signal)
    const usual = partBytesFor(size, partBytes)
    const itsPartBytes = resumedPartBytes(size, usual, arrived)
    return { kind: 'open', confirmKey, signed, partBytes: itsPartBytes, arrived }
  } catch (error) {
    // Another device was faster.
    if (hasCode(error, 'upload_complete')) return { kind: 'confirmed', confirmKey }
    throw error
  }
}

/** What begin and complete may both say about a file. */
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
