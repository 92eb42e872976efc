import { setTimeout as wait } from 'node:timers/promises'
import type { RecordedCall } from './recorder.ts'
import type { RouteName } from './route-names.ts'

/** A failure of the next calls of a route. */
export interface Fault {
  /** The number of calls that fail; Infinity for all. Default: 1. */
  times?: number
  /** The response that replaces the processing of the call. */
  status?: number
  code?: string
  body?: string
  contentType?: string
  headers?: Record<string, string>
  /** Delays the call, in milliseconds. */
  delayMs?: number
  /** Delays the call until this promise resolves. In-process only. */
  until?: () => Promise<unknown>
  /** Delays the second half of a JSON or text body, in milliseconds. */
  bodyDelayMs?: number
  /** Closes the connection before or after the call is processed, or in the middle of the response. */
  drop?: 'before' | 'after' | 'midway'
  /** Applies only to calls of this user; see `RecordedCall.userId`. */
  userId?: string
  /** Applies only to calls for which this returns true. In-process only. */
  match?: (call: RecordedCall) => boolean
}

/** A fault whose calls wait until `release`. The rest of the fault applies afterwards. */
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
  /** Continues the held calls. Later calls do not wait. */
  release(): void
}

/** A fault that applies to the current call. */
export interface Hit extends Fault {
  hold?: { at: 'arrival' | 'last-byte'; wait(): Promise<void> }
}

/** Routes whose calls can wait at `last-byte`. */
const UPLOAD_ROUTES: readonly RouteName[] = ['put-part', 'put-object', 'post-form']

interface Entry {
  route: RouteName
  fault: Fault
  left: number
  hold?: { at: 'arrival' | 'last-byte'; wait(call: RecordedCall): Promise<void> }
}

/** Keeps faults until their calls arrive. Several faults of one route apply in turn. */
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
    /** @throws Error when calls of `route` cannot wait at `last-byte` */
    hold(route: RouteName, { at = 'arrival', ...fault }: HeldFault): Hold {
      if (at === 'last-byte' && !UPLOAD_ROUTES.includes(route)) {
        throw new Error(`Only these routes can wait at 'last-byte': ${UPLOAD_ROUTES.join(', ')}.`)
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
    /** The fault of this call, if any. Its `times` goes down by one. */
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
    /** Whether the server closes this connection after the response, because it refuses connections. */
    endsConnections: (host: RecordedCall['host']) => refusing && host === 'smh',
    /** Whether the response of this successful confirm is lost. */
    losesConfirm(call: RecordedCall, status: number): boolean {
      if (call.route !== 'confirm' || status !== 200 || lostConfirms <= 0) return false
      lostConfirms -= 1
      return true
    },
    /** Resolves to false when the emulator closes in the meantime. */
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
