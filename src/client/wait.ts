/** Waits so many milliseconds; rejects at once with the signal's reason when that is aborted. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>

/** Whether the runtime knows that there is no network. Only browsers know. */
export function isOffline(): boolean {
  return globalThis.navigator?.onLine === false
}

/** {@link Wait} by the runtime's timers. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return waitFor(ms, signal)
}

/** Waits until the browser says that the network is back, but no longer than `ms`: it may err. */
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
