/** A task that waits for a permit or holds one. */
export interface PermitHolder {
  /** A paused task gets no permit, and one that it holds does not count. Default: never paused. */
  isPaused?(): boolean
}

export type Semaphore = ReturnType<typeof createSemaphore>

/** Grants at most `limit` permits at the same time, in the order in which tasks ask. */
export function createSemaphore(limit: number) {
  const waiting = new Map<PermitHolder, () => void>()
  const holding = new Set<PermitHolder>()

  /** Grants the permits that are free. Call it after a task was paused or resumed. */
  function update(): void {
    const active = [...holding].filter((holder) => !holder.isPaused?.())
    let free = limit - active.length
    for (const [holder, start] of waiting) {
      if (free <= 0) return
      if (holder.isPaused?.()) continue
      free -= 1
      waiting.delete(holder)
      holding.add(holder)
      start()
    }
  }

  function acquire(holder: PermitHolder): Promise<void> {
    return new Promise((resolve) => {
      waiting.set(holder, resolve)
      update()
    })
  }

  /** Returns the permit. A task that still waits continues without a permit. */
  function release(holder: PermitHolder): void {
    waiting.get(holder)?.()
    waiting.delete(holder)
    holding.delete(holder)
    update()
  }

  return {
    acquire,
    release,
    update,

    /** Does `work` with a permit. The signal ends the wait for the permit, with its reason. */
    async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
      signal.throwIfAborted()
      const holder: PermitHolder = {}
      const stopWaiting = () => release(holder)
      signal.addEventListener('abort', stopWaiting)
      await acquire(holder)
      signal.removeEventListener('abort', stopWaiting)
      try {
        signal.throwIfAborted()
        return await work()
      } finally {
        release(holder)
      }
    },
  }
}
