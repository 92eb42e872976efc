import type { Config } from '../../config/parse.ts'
import type { Log } from '../../ports.ts'
import { createJsonLog, type WriteLine } from './json-log.ts'

// biome-ignore lint/suspicious/noConsole: a Worker writes its log to the console.
export const writeToConsole: WriteLine = (line) => console.log(line)

/**
 * Writes one JSON line per record to the console.
 *
 * @param least the lowest level that is written
 * @param write Default: the console
 */
export function createConsoleLog(least: Config['logLevel'], write = writeToConsole): Log {
  return createJsonLog(least, write)
}
