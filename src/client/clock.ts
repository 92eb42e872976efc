/** Milliseconds since an arbitrary moment. Never decreases. */
export type Stopwatch = () => number

/**
 * Creates a stopwatch that adds, at each call, the larger step of its clocks. The monotonic clock may
 * stop while a device sleeps, and the wall clock may be set back. A wall clock that is set forward
 * causes one early renewal of credentials and nothing else.
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

/** Milliseconds between a response's `Date` and `moment` (an HTTP date). NaN without either. */
export function untilByServer(headers: Pick<Headers, 'get'>, moment: string | null): number {
  return Date.parse(moment ?? '') - Date.parse(headers.get('Date') ?? '')
}

/** Milliseconds that `Retry-After` asks for (RFC 9110 §10.2.3), if the response has one. */
export function retryAfterMs(headers: Pick<Headers, 'get'>): number | undefined {
  const value = headers.get('Retry-After')
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : untilByServer(headers, value)
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
