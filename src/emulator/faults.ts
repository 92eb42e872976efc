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
  /** Hold the call until this resolves; in-process only. */
  until?: () => Promise<unknown>
  /** Hold the second half of the answer's body for so long; JSON and text only. */
  bodyDelayMs?: number
  /** Cut the connection before or after the call is processed, or in the middle of the answer. */
  drop?: 'before' | 'after' | 'midway'
  /** Hit only the calls of this user, see `RecordedCall.userId`. */
  userId?: string
  /** Hit only the calls for which this is true; in-process only. */
  match?: (call: RecordedCall) => boolean
}

/** A fault whose calls wait until they are released. The rest of the fault applies afterwards. */
export interface HeldFault extends Fault {
  /**
   * Where the calls wait. Default: `arrival`, before they are processed. `last-byte`: COS has
   * checked the signature of an upload and read its bytes, but has not stored it yet.
   */
  at?: 'arrival' | 'last-byte'
}

/** Where calls are held. */
export interface Hold {
  /** Resolves with the first call that is held here. */
  reached: Promise<RecordedCall>
  /** Lets the held calls go on. Calls that come later do not wait. */
  release(): void
}

/** A fault with the call that it hits. */
export interface Hit extends Fault {
  hold?: { at: 'arrival' | 'last-byte'; wait(): Promise<void> }
}

/** Routes whose calls have a last byte to be held at. */
const UPLOAD_ROUTES: readonly RouteName[] = ['put-part', 'put-object', 'post-form']

interface Entry {
  route: RouteName
  fault: Fault
  left: number
  hold?: { at: 'arrival' | 'last-byte'; wait(call: RecordedCall): Promise<void> }
}

/** Keeps the faults that wait for their calls. Several of one route are used in turn. */
export function createFaults() {
  let waiting: Entry[] = []
  const releases = new Set<() => void>()
  let lostConfirms = 0
  let refusing = false
  const closing = new AbortController()

  function add(route: RouteName, fault: Fault, hold?: Entry['hold']): () => void {
    const entry = { route, fault: { ...fault }, left: fault.times ?? 1, ...(hold && { hold }) }
    waiting.push(entry)
    return () => {
      waiting = waiting.filter((other) => other !== entry)
    }
  }

  function endHolds(): void {
    for (const release of releases) release()
    releases.clear()
  }

  return {
    force: (route: RouteName, fault: Fault) => add(route, fault),
    /** Throws when calls of `route` have no last byte to be held at. */
    hold(route: RouteName, { at = 'arrival', ...fault }: HeldFault): Hold {
      if (at === 'last-byte' && !UPLOAD_ROUTES.includes(route)) {
        throw new Error(`Only these routes have a last byte: ${UPLOAD_ROUTES.join(', ')}.`)
      }
      const reached = Promise.withResolvers<RecordedCall>()
      const released = Promise.withResolvers<void>()
      releases.add(released.resolve)
      const wait = (call: RecordedCall) => {
        reached.resolve(structuredClone(call))
        return released.promise
      }
      add(route, fault, { at, wait })
      const release = () => {
        releases.delete(released.resolve)
        released.resolve()
      }
      return { reached: reached.promise, release }
    },
    loseConfirms(times: number) {
      lostConfirms += times
    },
    clear() {
      waiting = []
      lostConfirms = 0
      endHolds()
    },
    /** The fault that hits this call, if any; it is used up by one. */
    take(call: RecordedCall): Hit | undefined {
      const found = waiting.find(({ route, fault, left }) => {
        if (route !== call.route || left <= 0) return false
        if (fault.userId !== undefined && fault.userId !== call.userId) return false
        return fault.match?.(call) ?? true
      })
      if (!found) return undefined
      found.left -= 1
      if (found.left <= 0) waiting = waiting.filter((entry) => entry !== found)
      const { fault, hold } = found
      return hold ? { ...fault, hold: { at: hold.at, wait: () => hold.wait(call) } } : fault
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
      endHolds()
    },
  }
}

export type Faults = ReturnType<typeof createFaults>
