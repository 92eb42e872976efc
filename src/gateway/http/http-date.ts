let second = Number.NaN
let text = ''

/**
 * A time as an HTTP date (RFC 9110 §5.6.7). Times of the same second share one text: many credentials expire in it.
 *
 * @param ms since the epoch
 */
export function httpDate(ms: number): string {
  const wanted = Math.floor(ms / 1000)
  if (wanted !== second) {
    second = wanted
    text = new Date(ms).toUTCString()
  }
  return text
}
