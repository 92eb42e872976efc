import cliProgress from 'cli-progress'
import { fileSize } from '../client/index.ts'

/** The bar's line must fit into a terminal of 80 columns. */
const BAR_WIDTH = 28

/** Writes one line to standard output. Default: an empty line. */
export function say(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** Writes a name and its value, aligned with the other values. */
export function sayField(name: string, value: string): void {
  say(`  ${name.padEnd(12)}${value}`)
}

/** Writes one line to standard error. */
export function sayError(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** A file name with its control characters replaced, which a terminal would execute. */
export function printable(name: string): string {
  return name.replace(/\p{Cc}/gu, '?')
}

/**
 * Starts a progress bar for a number of bytes. It shows nothing if the output is not a terminal, or if
 * the log is written to the same terminal, because log lines would break the bar.
 */
export function startBar(
  totalBytes: number,
  { log }: { log: boolean },
): { show(bytes: number): void; stop(): void } {
  const sharesTerminal = log && process.stderr.isTTY
  if (!process.stdout.isTTY || sharesTerminal) return { show() {}, stop() {} }
  const bar = new cliProgress.SingleBar({
    stream: process.stdout,
    format: '  {bar} {percentage} %  {value} of {total}',
    barsize: BAR_WIDTH,
    barCompleteChar: '━',
    barIncompleteChar: '─',
    formatValue: (value, _options, type) =>
      type === 'percentage' ? String(value).padStart(3) : fileSize(value),
    hideCursor: true,
    // The demo handles Ctrl-C and stops the bar.
    gracefulExit: false,
  })
  bar.start(totalBytes, 0)
  return {
    show: (bytes) => bar.update(bytes),
    stop: () => bar.stop(),
  }
}
