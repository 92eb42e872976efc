import { setTimeout as wait } from 'node:timers/promises'
import type { RecordedCall } from './recorder.ts'
import type { RouteName } from './route-names.ts'

/** Something that goes wrong with the next calls of a route. */
export interface Fault {
  /** How many calls it hits; 1 unless told, Infinity for all. */
  times?: number
  /** Answer with this instead of processing the call. */
  status?: number
  code?: string
  body?: string
  contentType?: string
  headers?: Record<string, string>
  /** Hold the call for so long first. */
  delayMs?: number
  /** Hold the second half of the answer's body for so long; JSON and text only. */
  bodyDelayMs?: number
  /** Cut the connection before or after the call is processed, or in the middle of the answer. */
  drop?: 'before' | 'after' | 'midway'
  /** Hit only the calls for which this is true; in-process only. */
  match?: (call: RecordedCall) => boolean
}

/** Keeps the faults that wait for their calls. Several of one route are used in turn. */
export function createFaults() {
  let waiting: { route: RouteName; fault: Fault; left: number }[] = []
  let lostConfirms = 0
  let refusing = false
  const closing = new AbortController()

  return {
    force(route: RouteName, fault: Fault): () => void {
      const entry = { route, fault: { ...fault }, left: fault.times ?? 1 }
      waiting.push(entry)
      return () => {
        waiting = waiting.filter((other) => other !== entry)
      }
    },
    loseConfirms(times: number) {
      lostConfirms += times
    },
    clear() {
      waiting = []
      lostConfirms = 0
    },
    /** The fault that hits this call, if any; it is used up by one. */
    take(call: RecordedCall): Fault | undefined {
      const hit = waiting.find(({ route, fault, left }) => {
        return route === call.route && left > 0 && (fault.match?.(call) ?? true)
      })
      if (!hit) return undefined
      hit.left -= 1
      if (hit.left <= 0) waiting = waiting.filter((entry) => entry !== hit)
      return hit.fault
    },
    refuseConnections(refused: boolean) {
      refusing = refused
    },
    /** Whether a connection is to be closed with its answer, because there shall be none. */
    endsConnections: (host: RecordedCall['host']) => refusing && host === 'smh',
    /** Whether this answer to a confirm, which took effect, is to be lost. */
    losesConfirm(call: RecordedCall, status: number): boolean {
      if (call.route !== 'confirm' || status !== 200 || lostConfirms <= 0) return false
      lostConfirms -= 1
      return true
    },
    /** Resolves to false when the emulator was closed meanwhile. */
    async delay(milliseconds: number): Promise<boolean> {
      try {
        await wait(milliseconds, undefined, { signal: closing.signal })
        return true
      } catch {
        return false
      }
    },
    close() {
      closing.abort()
    },
  }
}

export type Faults = ReturnType<typeof createFaults>
