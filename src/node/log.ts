import { destination, pino } from 'pino'
import type { Config } from '../config.ts'
import type { Log } from '../deps.ts'

/** Lines wait for each other: a write for each of them would cost more than the line itself. */
const WRITE_BYTES = 4096
/** How long the last ones wait at the most, milliseconds. */
const WRITE_MS = 100

/** How long the last ones may take when the process ends, milliseconds. */
const END_MS = 1_000

/**
 * One JSON line for each record on standard output, a tenth of a second after the record at the latest
 * and off the request's path.
 *
 * A disk that is full or a reader that is gone costs lines and nothing else.
 *
 * @returns `end` writes what is still pending, as far as that can be done in a second. Never rejects
 */
export function createNodeLog(level: Config['logLevel']): { log: Log; end: () => Promise<void> } {
  const out = destination({
    dest: 1,
    sync: false,
    minLength: WRITE_BYTES,
    periodicFlush: WRITE_MS,
  })
  // It tries again with the next line.
  out.on('error', () => {})
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const logger = pino(options, out)
  let ending: Promise<void> | undefined
  return {
    log: (at, record) => logger[at](record),
    end() {
      ending ??= new Promise((resolve) => {
        function leave() {
          // Else it would try once more when the process exits, without end where the disk is full.
          out.destroy()
          resolve()
        }
        setTimeout(leave, END_MS)
        out.once('close', leave).once('error', leave)
        out.end()
      })
      return ending
    },
  }
}
