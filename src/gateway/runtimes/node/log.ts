import { destination, pino } from 'pino'
import type { Config } from '../../config/parse.ts'
import type { Log, LogRecord } from '../../ports.ts'

/** Bytes that are written together. A write per line would cost more than the line itself. */
const WRITE_BYTES = 4096
/** Maximum delay of a line, in milliseconds. */
const WRITE_MS = 100

/** Limits the last write when the process ends, milliseconds. */
const END_MS = 1_000

/**
 * Limits the lines that wait for a full disk or a stalled reader. They hold about 20,000 requests, so a
 * short pause of the reader loses nothing. Further lines are dropped and counted.
 */
const MAX_WAITING_BYTES = 4 * 1024 * 1024

export interface NodeLog {
  log: Log
  /** How many lines this log has dropped so far. */
  droppedLines: () => number
  /**
   * Writes the waiting lines, for at most a second. Resolves to false if a write is still stuck:
   * `process.exit` would wait for its thread indefinitely. Never rejects.
   */
  end: () => Promise<boolean>
}

/**
 * Writes one JSON line per record to standard output, asynchronously and within a tenth of a second.
 *
 * A full disk or a stalled reader loses lines, but never blocks a request. When writing works again, the
 * line `log_lines_dropped` reports their number.
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
  // Not `out` itself: pino writes fatal records synchronously, which blocks on a stalled pipe.
  const logger = pino(options, { write: (line) => out.write(line) })
  let dropped = 0
  let reported = 0
  let readerGone = false
  let ending: Promise<boolean> | undefined

  out.on('drop', () => {
    dropped += 1
  })
  // After other errors the next line is written. After EPIPE pino never writes again.
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
          // Otherwise it retries when the process exits, indefinitely if the disk is full.
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
