/** The first and the last byte of a range, counted from 0. */
export interface ByteRange {
  first: number
  last: number
}

/**
 * The range of a `Range` header in an object of `size` bytes (RFC 9110 §14). Undefined is the whole
 * object: COS ignores malformed headers and headers with several ranges.
 */
export function byteRange(header: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/i.exec(header) ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined
  if (from === '') {
    const length = Number(to)
    if (length === 0) return 'unsatisfiable'
    return size === 0 ? undefined : { first: Math.max(0, size - length), last: size - 1 }
  }
  const first = Number(from)
  if (to !== '' && Number(to) < first) return undefined
  if (first >= size) return 'unsatisfiable'
  return { first, last: to === '' ? size - 1 : Math.min(Number(to), size - 1) }
}
