import { destination, pino } from 'pino'
import type { Config } from '../config.ts'
import type { Log } from '../deps.ts'

/** Lines wait for each other: a write for each of them would cost more than the line itself. */
const WRITE_BYTES = 4096
/** How long the last ones wait at the most, milliseconds. */
const WRITE_MS = 100

/**
 * One JSON line for each record on standard output, a tenth of a second after the record at the latest
 * and off the request's path.
 *
 * @returns `flush` writes what is still pending, for a process that is about to end
 */
export function createNodeLog(level: Config['logLevel']): { log: Log; flush: () => void } {
  const out = destination({
    dest: 1,
    sync: false,
    minLength: WRITE_BYTES,
    periodicFlush: WRITE_MS,
  })
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
