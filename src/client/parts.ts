import { UploadError } from './errors.ts'

export const MIB = 1024 * 1024
/** SMH accepts and lists at most this many parts of an upload. */
export const MAX_PARTS = 10_000
/** Sizes of parts in MiB. Parts grow so that 10,000 suffice. SMH's own clients use the same list. */
const GROWN_MIB = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 5120]

/** A byte range of a file. The first part has number 1. */
export interface Part {
  number: number
  start: number
  size: number
}

/** A file has at most this many parts, until a part has {@link LARGE_MIB}. */
const USUAL_PARTS = 128
/** Larger files have more parts instead of larger ones, because a lost part must be sent again. */
const LARGE_MIB = 64
/** How many parts of one file are sent in parallel. */
const MAX_AT_ONCE = 4

/**
 * The default size of every part but the last, for a file of `size` bytes: the smallest power of two in
 * MiB that gives at most 128 parts, and at most 64 MiB as long as 10,000 parts suffice. With small parts
 * a reload loses little; large parts need fewer requests.
 *
 * @throws UploadError `file_too_large`
 */
export function defaultPartSize(size: number): number {
  const usual = GROWN_MIB.find((mib) => mib >= LARGE_MIB || size / (mib * MIB) <= USUAL_PARTS)
  return partBytesFor(size, (usual ?? LARGE_MIB) * MIB)
}

/**
 * The default number of parts sent in parallel, for a file of `count` parts. At most a quarter of them,
 * because a reload sends unfinished parts again.
 */
export function partsAtOnce(count: number): number {
  return Math.min(MAX_AT_ONCE, Math.max(1, Math.floor(count / 4)))
}

/**
 * The size of every part but the last, for a file of `size` bytes: at least `floor`, and large enough that
 * 10,000 parts suffice.
 *
 * @throws UploadError `file_too_large`
 */
export function partBytesFor(size: number, floor: number | undefined): number {
  if (floor === undefined) return defaultPartSize(size)
  const enough = GROWN_MIB.find((mib) => size / (mib * MIB) <= MAX_PARTS)
  if (enough !== undefined) return Math.max(floor, enough * MIB)
  throw new UploadError('file_too_large', 'A file has at most 10,000 parts of 5 GiB.')
}

/** Cuts `size` bytes into parts. An empty file has one empty part. */
export function cutIntoParts(size: number, partBytes: number): Part[] {
  return Array.from({ length: Math.max(1, Math.ceil(size / partBytes)) }, (_, index) => ({
    number: index + 1,
    start: index * partBytes,
    size: Math.min(partBytes, size - index * partBytes),
  }))
}

/** A part that COS has received. */
export interface ArrivedPart {
  partNumber: number
  size: number
}

/** The numbers of the parts that have arrived with the planned size. */
export function arrivedNumbers(plan: readonly Part[], arrived: readonly ArrivedPart[]): number[] {
  return arrived
    .filter(({ partNumber, size }) => plan[partNumber - 1]?.size === size)
    .map(({ partNumber }) => partNumber)
}

/**
 * Infers the size of the parts that an upload began with, because the configured size may have changed.
 * Parts that have arrived can be replaced but not removed, so every part number must fit. Of the sizes
 * that fit, the one that matches most parts wins. Two parts give a unique result. One part may be
 * misinterpreted; then the checksum of the file differs, and the client sends the part again.
 */
export function resumedPartBytes(
  size: number,
  configured: number,
  arrived: readonly ArrivedPart[],
): number {
  const last = arrived.reduce((most, { partNumber }) => Math.max(most, partNumber), 0)
  const candidates = [
    configured,
    Math.max(0, ...arrived.map((part) => part.size)),
    // If only the last part has arrived, which is smaller, the other parts share the rest.
    ...arrived
      .filter(({ partNumber }) => partNumber === last)
      .map((part) => (size - part.size) / (last - 1)),
  ]
  const possible = candidates.filter((bytes) => {
    const count = Math.ceil(size / bytes)
    const longEnough = bytes >= MIB || count === 1
    return Number.isInteger(bytes) && longEnough && count >= last && count <= MAX_PARTS
  })
  const right = new Map(
    possible.map((bytes) => [bytes, arrivedNumbers(cutIntoParts(size, bytes), arrived).length]),
  )
  const [best] = [...right].sort(([, one], [, other]) => other - one)
  if (best) return best[0]
  throw new UploadError('source_changed', 'The parts of this upload do not belong to this file.')
}
