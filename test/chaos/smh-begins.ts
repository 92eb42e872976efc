import type { EmulatorControls } from '../../src/emulator/controls.ts'
import type { RecordedCall } from '../../src/emulator/recorder.ts'

type Call = Readonly<RecordedCall>

/** Records when SMH receives each begin, and which of their responses a failure withholds. */
export interface SmhBegins {
  calls: { call: Call; at: number }[]
  /** Must be called again after the faults of the emulator were cleared. */
  watch(): void
  /** Notes that the gateway does not get SMH's response to this call in time. */
  lose(call: Call, task: 'possible' | 'none'): void
  fateOf(call: Call): 'possible' | 'none' | undefined
}

export function watchSmhBegins(controls: EmulatorControls): SmhBegins {
  const calls: SmhBegins['calls'] = []
  const lost = new WeakMap<Call, 'possible' | 'none'>()

  /** Sees each call before the other faults. Applies to none. */
  function match(call: Call): boolean {
    calls.push({ call, at: Date.now() })
    return false
  }

  function watch() {
    for (const route of ['begin-multipart', 'begin-simple'] as const) {
      controls.force(route, { times: Infinity, match })
    }
  }

  watch()
  return {
    calls,
    watch,
    lose: (call, task) => void lost.set(call, task),
    fateOf: (call) => lost.get(call),
  }
}
