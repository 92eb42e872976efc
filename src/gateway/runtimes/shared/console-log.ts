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

export type WriteLine = (line: string) => void

// biome-ignore lint/suspicious/noConsole: a Worker writes its log to the console.
export const writeToConsole: WriteLine = (line) => console.log(line)

/**
 * Writes one JSON line per record, like the log on Node's standard output.
 *
 * @param least the lowest level that is written
 * @param write Default: the console
 */
export function createWorkerLog(least: Config['logLevel'], write = writeToConsole): Log {
  return (level, record) => {
    if (levels.indexOf(level) < levels.indexOf(least)) return
    write(JSON.stringify({ level, time: new Date().toISOString(), ...record }))
  }
}
