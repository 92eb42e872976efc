/** Does `work` when a slot is free; those who wait get one in the order in which they came. */
export type WithSlot = <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T>

/** Lets at most `count` things happen at the same time. */
export function createSlots(count: number): WithSlot {
  let free = count
  const waiting = new Set<() => void>()

  function slot(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(enter)
        reject(signal.reason)
      }
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      waiting.add(enter)
      signal.addEventListener('abort', leave, { once: true })
      admit()
    })
  }

  function admit() {
    for (const enter of waiting) {
      if (free === 0) return
      free -= 1
      waiting.delete(enter)
      enter()
    }
  }

  return async (work, signal) => {
    signal.throwIfAborted()
    await slot(signal)
    try {
      signal.throwIfAborted()
      return await work()
    } finally {
      free += 1
      admit()
    }
  }
}
