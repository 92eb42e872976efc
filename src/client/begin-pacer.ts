import type { Stopwatch } from './clock.ts'

export type BeginPacer = ReturnType<typeof createBeginPacer>

/**
 * Spaces the begins of all uploads of a client as the gateway's rate limit allows. The gateway reports in
 * `RateLimit` (`"begins";r=0;t=1`) how many begins are left, and in `RateLimit-Policy` (`"begins";q=120;w=60`)
 * how many it allows in a time. Without these headers there is no delay.
 */
export function createBeginPacer(now: Stopwatch) {
  /** Begins that may be sent at once. */
  let left = Infinity
  /** Requests whose response has not arrived. The gateway may not have counted them yet. */
  let unanswered = 0
  /** When the next begin may be sent, once none is left. */
  let nextAt = 0
  let intervalMs = 0

  return {
    /** Takes the turn of one begin. Returns how many milliseconds it must wait. */
    take(): number {
      if (left > 0) {
        left -= 1
        return 0
      }
      const at = Math.max(nextAt, now())
      nextAt = at + intervalMs
      return at - now()
    },

    /** Counts a begin that is sent. Call the result when it has ended. */
    sends(): () => void {
      unanswered += 1
      return () => {
        unanswered -= 1
      }
    },

    /** Learns from the response to a begin. */
    learn(headers: Pick<Headers, 'get'>): void {
      const quota = numberIn(headers.get('RateLimit-Policy'), 'q')
      const windowMs = numberIn(headers.get('RateLimit-Policy'), 'w') * 1000
      const remaining = numberIn(headers.get('RateLimit'), 'r')
      const growsInMs = numberIn(headers.get('RateLimit'), 't') * 1000
      if (Number.isNaN(quota + windowMs + remaining + growsInMs)) return
      intervalMs = windowMs / quota
      // Begins that wait for their turn come first.
      left = nextAt > now() ? 0 : Math.max(0, remaining - unanswered)
      if (left > 0) return
      nextAt = Math.max(nextAt, now() + (remaining > 0 ? intervalMs : growsInMs))
    },
  }
}

/** A parameter of the item `"begins"` (RFC 9651). NaN when it is missing. */
function numberIn(header: string | null, name: string): number {
  return Number(new RegExp(`"begins"[^,]*;\\s*${name}=(\\d+)`).exec(header ?? '')?.[1])
}
