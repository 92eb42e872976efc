import type { Gateway } from './api.ts'
import { hasCode, UploadError } from './errors.ts'
import type { CompleteUpload, StoredFile } from './gateway-types.ts'
import { arrivedNumbers } from './parts.ts'
import type { Transfer } from './transfer.ts'

export interface CompleteOptions {
  gateway: Gateway
  /** Returns the current key: it changes when a simple upload begins again. */
  confirmKey: () => string
  transfer: Transfer
  details: Omit<CompleteUpload, 'crc64'>
  /** Sends the parts that `transfer.forget` has marked as missing. */
  sendAgain: () => Promise<void>
  signal: AbortSignal
}

/**
 * Completes the upload and compares the checksum of the stored file. Sends missing or damaged parts
 * again, once.
 */
export async function completeUpload(options: CompleteOptions): Promise<StoredFile> {
  const { gateway, confirmKey, transfer, details, sendAgain, signal } = options
  async function complete() {
    const crc64 = String(transfer.crc64())
    const file = await gateway.complete(confirmKey(), { ...details, crc64 }, signal)
    if (file.crc64 === crc64) return file
    throw new UploadError(
      'checksum_mismatch',
      'Checksum mismatch: the CRC-64 of the stored file differs.',
    )
  }
  try {
    return await complete()
  } catch (error) {
    const numbers = await partsToSend(error, options)
    if (numbers.length === 0) throw error
    transfer.forget(numbers)
    await sendAgain()
    return complete()
  }
}

/** The parts that can cause this error, by number. */
async function partsToSend(
  error: unknown,
  { gateway, confirmKey, transfer, signal }: CompleteOptions,
): Promise<number[]> {
  // An error with a status comes from the gateway: the file is not stored, unless another client has
  // completed the upload.
  if (hasCode(error, 'checksum_mismatch') && error.status) return transfer.unverified()
  if (!hasCode(error, 'upload_incomplete', 'size_mismatch')) return []
  if (error.missingParts?.length) return error.missingParts
  const { confirmed, parts = [] } = await gateway.status(confirmKey(), signal)
  // The upload is completed and accepts no parts, although the stored file has another size.
  if (confirmed) return []
  const right = new Set(arrivedNumbers(transfer.plan, parts))
  return transfer.plan.map(({ number }) => number).filter((number) => !right.has(number))
}
