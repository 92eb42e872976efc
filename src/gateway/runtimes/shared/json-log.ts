import type { Config } from '../../config/parse.ts'
import type { Log, LogLevel } from '../../ports.ts'

/** Least urgent first. */
const levels: readonly (LogLevel | 'silent')[] = [
  'debug',
  'info',
  'warn',
  'error',
  'fatal',
  'silent',
]

/** Writes one line. It has no line feed. */
export type WriteLine = (line: string) => void

/**
 * Creates the log of every runtime: one JSON object a line. `JSON.stringify` costs less than the formatting of pino.
 *
 * @param least the lowest level that is written
 */
export function createJsonLog(least: Config['logLevel'], write: WriteLine): Log {
  const lowest = levels.indexOf(least)
  const timestamp = createTimestamp()
  return (level, record) => {
    if (levels.indexOf(level) < lowest) return
    // Level and time come first. They need no escapes.
    write(`{"level":"${level}","time":"${timestamp()}",${JSON.stringify(record).slice(1)}`)
  }
}

/** The current time in ISO 8601. Lines of the same millisecond share one text. */
function createTimestamp(): () => string {
  let at = Number.NaN
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== at) {
      at = now
      text = new Date(now).toISOString()
    }
    return text
  }
}
