import { destination, pino } from 'pino'
import type { Config } from '../../config/parse.ts'
import type { Log, LogRecord } from '../../ports.ts'

/** Lines wait for each other: a write for each of them would cost more than the line itself. */
const WRITE_BYTES = 4096
/** How long the last lines wait at most, in milliseconds. */
const WRITE_MS = 100

/** How long the last ones may take when the process ends, milliseconds. */
const END_MS = 1_000

/**
 * Bytes of lines that wait for a full disk or a stalled reader: about 20,000 requests, so that a short
 * pause of the reader loses nothing. Further lines are dropped and counted.
 */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

export interface NodeLog {
  log: Log
  /** How many lines this log has dropped so far. */
  droppedLines: () => number
  /**
   * Writes the lines that still wait, for at most a second. Resolves to false when a write is still
   * stuck then: `process.exit` would wait for its thread, without end. Never rejects.
   */
  end: () => Promise<boolean>
}

/**
 * One JSON line for each record on standard output, a tenth of a second after the record at the latest
 * and off the request's path.
 *
 * A full disk or a stalled reader costs lines and nothing else. When writing works again, one line
 * `log_lines_dropped` says how many.
 */
export function createNodeLog(level: Config['logLevel']): NodeLog {
  const out = destination({
    dest: 1,
    sync: false,
    minLength: WRITE_BYTES,
    maxLength: MAX_WAITING_BYTES,
    periodicFlush: WRITE_MS,
  })
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  // Not `out` itself: pino would write a fatal record synchronously, without end into a stalled pipe.
  const logger = pino(options, { write: (line) => out.write(line) })
  let dropped = 0
  let reported = 0
  let readerGone = false
  let ending: Promise<boolean> | undefined

  out.on('drop', () => {
    dropped += 1
  })
  // It tries again with the next line, but pino gives a closed pipe up for good.
  out.on('error', (error: NodeJS.ErrnoException) => {
    readerGone ||= error.code === 'EPIPE'
  })
  out.on('drain', () => {
    if (dropped === reported) return
    const count = dropped - reported
    reported = dropped
    logger.warn({ event: 'log_lines_dropped', count } satisfies LogRecord)
  })

  return {
    log(at, record) {
      if (readerGone && logger.isLevelEnabled(at)) dropped += 1
      else logger[at](record)
    },
    droppedLines: () => dropped,
    end() {
      ending ??= new Promise((resolve) => {
        function leave(written: boolean) {
          // Else it would try once more when the process exits, without end where the disk is full.
          out.destroy()
          resolve(written)
        }
        if (readerGone) return leave(true)
        setTimeout(leave, END_MS, false)
        out.once('close', () => leave(true)).once('error', () => leave(true))
        out.end()
      })
      return ending
    },
  }
}
