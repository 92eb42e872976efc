import type { Gateway } from './api.ts'
import { hasCode, UploadError } from './errors.ts'
import type { CompleteUpload, StoredFile } from './gateway-types.ts'
import { arrivedNumbers } from './parts.ts'
import type { Transfer } from './transfer.ts'

export interface CompleteOptions {
  gateway: Gateway
  confirmKey: string
  transfer: Transfer
  details: Omit<CompleteUpload, 'crc64'>
  /** Sends the parts that the transfer was told to forget. */
  sendAgain: () => Promise<void>
  signal: AbortSignal
}

/**
 * Has the file stored, and sees that it is the one that was sent. Parts that turn out to be missing or
 * wrong are sent again, once.
 */
export async function completeUpload(options: CompleteOptions): Promise<StoredFile> {
  const { gateway, confirmKey, transfer, details, sendAgain, signal } = options
  async function complete() {
    const crc64 = String(transfer.crc64())
    const file = await gateway.complete(confirmKey, { ...details, crc64 }, signal)
    if (file.crc64 === crc64) return file
    throw new UploadError('checksum_mismatch', 'What is stored is not what was sent.')
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

/** The parts that may be to blame for what the gateway refused. */
async function partsToSend(
  error: unknown,
  { gateway, confirmKey, transfer, signal }: CompleteOptions,
): Promise<number[]> {
  // With a status it is the gateway's word: nothing is stored, unless somebody else has completed it.
  if (hasCode(error, 'checksum_mismatch') && error.status) return transfer.unproven()
  if (!hasCode(error, 'upload_incomplete', 'size_mismatch')) return []
  if (error.missingParts?.length) return error.missingParts
  const { confirmed, parts = [] } = await gateway.status(confirmKey, signal)
  // The stored file has another size. Its upload is over, and takes no parts.
  if (confirmed) return []
  const right = new Set(arrivedNumbers(transfer.plan, parts))
  return transfer.plan.map(({ number }) => number).filter((number) => !right.has(number))
}
