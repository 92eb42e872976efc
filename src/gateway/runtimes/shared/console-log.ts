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

// biome-ignore lint/suspicious/noConsole: the console is where a Worker's log goes.
export const writeToConsole: WriteLine = (line) => console.log(line)

/**
 * One JSON line for each record, as on Node's standard output.
 *
 * @param least records of a lower level are not written
 * @param write default: to the console
 */
export function createWorkerLog(least: Config['logLevel'], write = writeToConsole): Log {
  return (level, record) => {
    if (levels.indexOf(level) < levels.indexOf(least)) return
    write(JSON.stringify({ level, time: new Date().toISOString(), ...record }))
  }
}
