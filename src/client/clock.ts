/** Milliseconds since some moment; never goes back. */
export type Stopwatch = () => number

/**
 * Counts what has passed on the clock that went further, at each look. The monotonic clock may stand
 * still while a device sleeps, and the wall clock may be set back: each covers the other. A wall
 * clock that is set forward costs one early renewal, nothing else.
 */
export function createStopwatch(
  clocks: readonly (() => number)[] = [() => performance.now(), () => Date.now()],
): Stopwatch {
  let passed = 0
  let last = clocks.map((clock) => clock())
  return () => {
    const now = clocks.map((clock) => clock())
    passed += Math.max(0, ...now.map((time, index) => time - last[index]!))
    last = now
    return passed
  }
}

/** Milliseconds from an answer until `moment` (HTTP date), both by the server's clock; else NaN. */
export function untilByServer(headers: Pick<Headers, 'get'>, moment: string | null): number {
  return Date.parse(moment ?? '') - Date.parse(headers.get('Date') ?? '')
}

/** Milliseconds that `Retry-After` asks for (RFC 9110 §10.2.3), if it does. */
export function retryAfterMs(headers: Pick<Headers, 'get'>): number | undefined {
  const value = headers.get('Retry-After')
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : untilByServer(headers, value)
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
