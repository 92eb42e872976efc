/** Waits for `ms` milliseconds. Rejects at once with the signal's reason when the signal aborts. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>

/** Whether the browser reports that it is offline. Always false on other runtimes. */
export function isOffline(): boolean {
  return globalThis.navigator?.onLine === false
}

/** {@link Wait} with the runtime's timers. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return waitFor(ms, signal)
}

/** Waits until the browser reports that it is online, but at most `ms`: the report may be wrong. */
export function waitUntilOnline(ms: number, signal: AbortSignal): Promise<void> {
  return waitFor(ms, signal, 'online')
}

function waitFor(ms: number, signal: AbortSignal, event?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(end, ms)
    function end() {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      if (event) globalThis.removeEventListener?.(event, end)
      if (signal.aborted) reject(signal.reason)
      else resolve()
    }
    signal.addEventListener('abort', end)
    if (event) globalThis.addEventListener?.(event, end)
    if (signal.aborted) end()
  })
}
