/** What waits for its turn or has it. */
export interface Ticket {
  /** Paused work does not get a turn, and does not count while it has one. */
  isPaused(): boolean
}

/** Lets at most `limit` tickets have their turn at the same time, in the order in which they came. */
export function createTurns(limit: number) {
  const waiting = new Map<Ticket, () => void>()
  const running = new Set<Ticket>()

  /** To be called as well when something was paused or goes on. */
  function admit(): void {
    for (const [ticket, start] of waiting) {
      const busy = [...running].filter((other) => !other.isPaused()).length
      if (busy >= limit) return
      if (ticket.isPaused()) continue
      waiting.delete(ticket)
      running.add(ticket)
      start()
    }
  }

  return {
    admit,

    take(ticket: Ticket): Promise<void> {
      return new Promise((resolve) => {
        waiting.set(ticket, resolve)
        admit()
      })
    },

    /** Ends a turn; one who still waits gets through, to find out that nothing is to be done. */
    leave(ticket: Ticket): void {
      waiting.get(ticket)?.()
      waiting.delete(ticket)
      running.delete(ticket)
      admit()
    },
  }
}
