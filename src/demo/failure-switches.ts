import type { EmulatorControls } from '../emulator/controls.ts'
import type { Fault } from '../emulator/faults.ts'
import type { RouteName } from '../emulator/route-names.ts'
import type { TcpProxy } from './tcp-proxy.ts'

/** What a visitor may make hard, each by its switch. */
export const FAILURES = [
  'shortCredentials',
  'slowSmh',
  'slowParts',
  'partLost',
  'networkOff',
] as const

export type Failure = (typeof FAILURES)[number]

/** How things stand with the stand-ins, as the page shows it. */
export interface DemoState {
  failures: Record<Failure, boolean>
  /** Since the demo was started. */
  counts: {
    partsReceived: number
    /** Parts that came, or tried to, when they had been tried before. */
    partsAgain: number
    renewals: number
    filesStored: number
  }
  /** The number of the part that was lost last, if one was, and whether it has come since. */
  lostPart?: { number: number; received: boolean }
}

export type FailureSwitches = ReturnType<typeof createFailureSwitches>

const SHORT_SECONDS = 3
const SLOW_SMH_MS = 2_000
const SLOW_PART_MS = 1_000
const SLOW_ROUTES: RouteName[] = [
  'begin-multipart',
  'create-directory',
  'renew',
  'status',
  'confirm',
  'cancel',
]

/** The switches of one demo, which act on its stand-ins and on the line to its gateway. */
export function createFailureSwitches(controls: EmulatorControls, proxy: Pick<TcpProxy, 'cut'>) {
  const ends = new Map<Failure, () => void>()
  let lost: { uploadId: string; partNumber: string } | undefined

  const force = (routes: readonly RouteName[], fault: Fault) => {
    const takeBack = routes.map((route) =>
      controls.force(route, { times: Number.POSITIVE_INFINITY, ...fault }),
    )
    return () => {
      for (const end of takeBack) end()
    }
  }

  /** Each makes it hard, and gives the way back. */
  const starts: Record<Failure, () => () => void> = {
    shortCredentials() {
      controls.setCredentialTtl(SHORT_SECONDS)
      // Those that were handed out already would work for hours.
      controls.expireCredentials()
      return () => controls.setCredentialTtl(null)
    },
    slowSmh: () => force(SLOW_ROUTES, { delayMs: SLOW_SMH_MS }),
    // A call is hit by one fault: the part that is to be lost is not for this one.
    slowParts: () =>
      force(['put-part'], { delayMs: SLOW_PART_MS, match: () => !ends.has('partLost') }),
    partLost() {
      lost = undefined
      return force(['put-part'], {
        times: 1,
        drop: 'before',
        match({ query }) {
          lost = { uploadId: query.uploadId ?? '', partNumber: query.partNumber ?? '' }
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
    /** Switches one on or off; what is so already stays. */
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
      if (lost) lostPart = { number: Number(lost.partNumber), received: false }
      controls.eachCall(({ route, status, query }) => {
        const isFine = status === 200
        if (route === 'renew' && isFine) counts.renewals += 1
        if (route !== 'put-part') return
        const { uploadId, partNumber } = query
        const part = `${uploadId} ${partNumber}`
        if (parts.has(part)) counts.partsAgain += 1
        parts.add(part)
        if (!isFine) return
        counts.partsReceived += 1
        if (lostPart && uploadId === lost?.uploadId && partNumber === lost?.partNumber) {
          lostPart.received = true
        }
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
