import { UploadError } from './errors.ts'

export const MIB = 1024 * 1024
const MOST_PARTS = 10_000
/** The sizes, in MiB, that a part grows to so that 10,000 of them suffice (SMH's own clients' list). */
const GROWN_MIB = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 5120]

/** A run of bytes of a file. The first part is number 1. */
export interface Part {
  number: number
  start: number
  size: number
}

/** A file has about this many parts or fewer, until they are as large as {@link LARGE_MIB}. */
const USUAL_PARTS = 128
/** What a part that breaks off costs has a limit as well: from here on the number of parts grows. */
const LARGE_MIB = 64
/** Parts of one file on their way at the same time. */
const MOST_AT_ONCE = 4

/**
 * The size of a part, all but the last, of a file of `size` bytes when the app sets none: the smallest
 * power of two MiB that gives at most 128 parts, and at most 64 MiB as long as 10,000 parts suffice.
 * Small parts let a reload keep most of what was sent; large ones cost fewer round trips.
 *
 * @throws UploadError `file_too_large`
 */
export function defaultPartSize(size: number): number {
  const usual = GROWN_MIB.find((mib) => mib >= LARGE_MIB || size / (mib * MIB) <= USUAL_PARTS)
  return partBytesFor(size, (usual ?? LARGE_MIB) * MIB)
}

/**
 * How many of `count` parts are on their way at the same time when the app sets no number. Never more
 * than a quarter of them: what is on its way during a reload is sent again.
 */
export function partsAtOnce(count: number): number {
  return Math.min(MOST_AT_ONCE, Math.max(1, Math.floor(count / 4)))
}

/**
 * The size of a part, all but the last, of a file of `size` bytes; at least `floor`.
 *
 * @throws UploadError `file_too_large`
 */
export function partBytesFor(size: number, floor: number | undefined): number {
  if (floor === undefined) return defaultPartSize(size)
  const enough = GROWN_MIB.find((mib) => size / (mib * MIB) <= MOST_PARTS)
  if (enough !== undefined) return Math.max(floor, enough * MIB)
  throw new UploadError('file_too_large', 'A file has at most 10,000 parts of 5 GiB.')
}

/** Cuts `size` bytes into parts. */
export function cutIntoParts(size: number, partBytes: number): Part[] {
  return Array.from({ length: Math.ceil(size / partBytes) }, (_, index) => ({
    number: index + 1,
    start: index * partBytes,
    size: Math.min(partBytes, size - index * partBytes),
  }))
}

/** A part that has arrived. */
export interface ArrivedPart {
  partNumber: number
  size: number
}

/** The numbers of those parts that are there with the size they should have. */
export function arrivedNumbers(plan: readonly Part[], arrived: readonly ArrivedPart[]): number[] {
  return arrived
    .filter(({ partNumber, size }) => plan[partNumber - 1]?.size === size)
    .map(({ partNumber }) => partNumber)
}

/**
 * The size of a part that an upload was begun with, found from what has arrived of it: the configured
 * one may have changed since. What has arrived cannot be taken away, only replaced, so every number
 * has to have its place; of what is left, the size is taken by which most parts are right. Two parts
 * leave no doubt. One alone may be taken for another than it is; then the checksum of the whole tells,
 * and it is sent again.
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
    // When only the last part is there, which is a smaller one.
    ...arrived
      .filter(({ partNumber }) => partNumber === last)
      .map((part) => (size - part.size) / (last - 1)),
  ]
  const possible = candidates.filter((bytes) => {
    const count = Math.ceil(size / bytes)
    const longEnough = bytes >= MIB || count === 1
    return Number.isInteger(bytes) && longEnough && count >= last && count <= MOST_PARTS
  })
  const right = new Map(
    possible.map((bytes) => [bytes, arrivedNumbers(cutIntoParts(size, bytes), arrived).length]),
  )
  const [best] = [...right].sort(([, one], [, other]) => other - one)
  if (best) return best[0]
  throw new UploadError('source_changed', 'What has arrived of this upload is not of this file.')
}
