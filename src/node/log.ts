import { destination, pino } from 'pino'
import type { Config } from '../config.ts'
import type { Log } from '../deps.ts'

/**
 * One JSON line for each record on standard output, written at once but off the request's path.
 *
 * @returns `flush` writes what is still pending, for a process that is about to end
 */
export function createNodeLog(level: Config['logLevel']): { log: Log; flush: () => void } {
  const out = destination({ dest: 1, sync: false })
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const logger = pino(options, out)
  return {
    log: (at, record) => logger[at](record),
    flush: () => {
      try {
        out.flushSync()
      } catch {
        // The file was not opened yet, or the reader is gone: there is nobody to tell.
      }
    },
  }
}
