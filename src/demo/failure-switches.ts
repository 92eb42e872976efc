import type { EmulatorControls } from '../emulator/controls.ts'
import type { Fault } from '../emulator/faults.ts'
import type { RecordedCall } from '../emulator/recorder.ts'
import type { RouteName } from '../emulator/route-names.ts'
import { type DemoState, FAILURES, type Failure } from './demo-state.ts'
import type { TcpProxy } from './tcp-proxy.ts'

/** A part, or the whole file of a simple upload. */
const PART_ROUTES: readonly RouteName[] = ['put-part', 'put-object']

export type FailureSwitches = ReturnType<typeof createFailureSwitches>

const SHORT_SECONDS = 3
const SLOW_SMH_MS = 2_000
const SLOW_PART_MS = 1_000
const SLOW_ROUTES: RouteName[] = [
  'begin-multipart',
  'begin-simple',
  'create-directory',
  'renew',
  'status',
  'confirm',
  'cancel',
]

/** Creates the switches of one demo. They act on its emulator and on the proxy to its gateway. */
export function createFailureSwitches(controls: EmulatorControls, proxy: Pick<TcpProxy, 'cut'>) {
  const ends = new Map<Failure, () => void>()
  let lost: RecordedCall | undefined

  const force = (routes: readonly RouteName[], fault: Fault) => {
    const undo = routes.map((route) =>
      controls.force(route, { times: Number.POSITIVE_INFINITY, ...fault }),
    )
    return () => {
      for (const end of undo) end()
    }
  }

  /** Each starts a failure and returns the function that ends it. */
  const starts: Record<Failure, () => () => void> = {
    shortCredentials() {
      controls.setCredentialTtl(SHORT_SECONDS)
      // Existing credentials would remain valid for hours.
      controls.expireCredentials()
      return () => controls.setCredentialTtl(null)
    },
    slowSmh: () => force(SLOW_ROUTES, { delayMs: SLOW_SMH_MS }),
    // Only one fault applies to a call. The part that will be lost is left to that fault.
    slowParts: () =>
      force(PART_ROUTES, { delayMs: SLOW_PART_MS, match: () => !ends.has('partLost') }),
    partLost() {
      lost = undefined
      return force(PART_ROUTES, {
        times: 1,
        drop: 'before',
        match(call) {
          lost = call
          ends.delete('partLost')
          return true
        },
      })
    },
    networkOff() {
      const set = (isOff: boolean) => {
        proxy.cut(isOff)
        controls.cosDown(isOff)
      }
      set(true)
      return () => set(false)
    },
  }

  return {
    /** Switches a failure on or off. Repeating a call has no effect. */
    set(failure: Failure, isOn: boolean): void {
      if (isOn === ends.has(failure)) return
      if (isOn) return void ends.set(failure, starts[failure]())
      ends.get(failure)?.()
      ends.delete(failure)
    },

    state(): DemoState {
      const counts = { partsReceived: 0, partsAgain: 0, renewals: 0, filesStored: 0 }
      const parts = new Set<string>()
      let lostPart: DemoState['lostPart']
      if (lost) lostPart = { number: Number(lost.query.partNumber ?? 1), received: false }
      controls.eachCall((call) => {
        const isFine = call.status === 200
        if (call.route === 'renew' && isFine) counts.renewals += 1
        if (!PART_ROUTES.includes(call.route)) return
        const part = partOf(call)
        if (parts.has(part)) counts.partsAgain += 1
        parts.add(part)
        if (!isFine) return
        counts.partsReceived += 1
        if (lostPart && lost && part === partOf(lost)) lostPart.received = true
      })
      counts.filesStored = controls.files().length
      const failures = Object.fromEntries(FAILURES.map((name) => [name, ends.has(name)]))
      return {
        failures: failures as DemoState['failures'],
        counts,
        ...(lostPart && { lostPart }),
      }
    },
  }
}

/** Identifies a part: the same for each attempt to send it. */
function partOf({ path, query }: Pick<RecordedCall, 'path' | 'query'>): string {
  return `${path} ${query.uploadId} ${query.partNumber}`
}
