import { GatewayError } from '../errors.ts'
import type { ReceivedPart } from '../smh/replies.ts'

/** Every part but the last has at least this many bytes (docs/smh-protocol.md#9). */
export const MIN_PART_BYTES = 1024 * 1024

/**
 * Checks that the received parts are the complete file: numbered 1..n without a gap
 * (docs/smh-protocol.md#5.2), each but the last at least 1 MiB, and `size` bytes in total.
 *
 * @throws GatewayError `file_too_large` when the bytes exceed `maxBytes` (it can never succeed, so
 *   `completeInSmh` cancels the task), `upload_incomplete` with the parts to send, `size_mismatch`
 */
export function checkReceivedParts(
  parts: readonly ReceivedPart[],
  size: number,
  maxBytes: number,
): void {
  const sizes = new Map(parts.map((part) => [part.partNumber, part.size]))
  const last = Math.max(0, ...sizes.keys())
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
  if (total > maxBytes) {
    throw new GatewayError('file_too_large', `A file may have at most ${maxBytes} bytes.`)
  }
  const missingParts: number[] = []
  for (let number = 1; number <= Math.max(last, 1); number += 1) {
    const bytes = sizes.get(number)
    const tooSmall = bytes !== undefined && number < last && bytes < MIN_PART_BYTES
    if (bytes === undefined || tooSmall) missingParts.push(number)
  }
  if (missingParts.length > 0) {
    throw new GatewayError(
      'upload_incomplete',
      'Parts are missing, or a part other than the last is smaller than 1 MiB.',
      { missingParts },
    )
  }
  if (total !== size) {
    throw new GatewayError(
      'size_mismatch',
      `The parts have ${total} bytes in total, but ${size} were declared.`,
    )
  }
}
