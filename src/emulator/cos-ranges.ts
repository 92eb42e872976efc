/** The first and the last byte of a part of an object, counted from 0. */
export interface ByteRange {
  first: number
  last: number
}

/**
 * What a `Range` header asks of an object of `size` bytes (RFC 9110 §14). undefined is the whole
 * object: malformed headers are ignored, and so are those with several ranges.
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
