import { destination } from 'pino'
import type { Config } from '../../config/parse.ts'
import type { Log } from '../../ports.ts'
import { createJsonLog } from '../shared/json-log.ts'

/**
 * Bytes that are written together: some 50 lines. A write occupies a thread of Node's pool, and costs more than a
 * line itself. pino writes at most 16 KiB at once.
 */
const WRITE_BYTES = 12 * 1024
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
    // For strings, pino copies all waiting lines for each further one. Its types do not know the buffers.
    contentMode: 'buffer',
    minLength: WRITE_BYTES,
    maxLength: MAX_WAITING_BYTES,
    periodicFlush: WRITE_MS,
  })
  const write = createJsonLog(level, (line) => {
    if (readerGone) dropped += 1
    else out.write(Buffer.from(`${line}\n`) as unknown as string)
  })
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
    write('warn', { event: 'log_lines_dropped', count })
  })

  return {
    log: write,
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
