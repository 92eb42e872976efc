import cliProgress from 'cli-progress'
import { fileSize } from '../client/index.ts'

/** Where the width of a bar's line must fit. */
const BAR_WIDTH = 28

/** Writes one line, or an empty one. */
export function say(line = ''): void {
  process.stdout.write(`${line}\n`)
}

/** Writes a name and what belongs to it, aligned with the others. */
export function sayOf(name: string, value: string): void {
  say(`  ${name.padEnd(12)}${value}`)
}

export function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** A file's name without what a terminal would take for commands. */
export function printable(name: string): string {
  return name.replace(/\p{Cc}/gu, '?')
}

/**
 * A bar that shows how many of some bytes have gone. It is off where the output is no terminal, and
 * where a log is written to the same terminal: each log line would tear it apart.
 */
export function startBar(
  totalBytes: number,
  { log }: { log: boolean },
): { show(bytes: number): void; stop(): void } {
  const torn = log && process.stderr.isTTY
  if (!process.stdout.isTTY || torn) return { show() {}, stop() {} }
  const bar = new cliProgress.SingleBar({
    stream: process.stdout,
    format: '  {bar} {percentage} %  {value} of {total}',
    barsize: BAR_WIDTH,
    barCompleteChar: '━',
    barIncompleteChar: '─',
    formatValue: (value, _options, type) =>
      type === 'percentage' ? String(value).padStart(3) : fileSize(value),
    hideCursor: true,
    // The demo has its own manners on Ctrl-C, and stops the bar itself.
    gracefulExit: false,
  })
  bar.start(totalBytes, 0)
  return {
    show: (bytes) => bar.update(bytes),
    stop: () => bar.stop(),
  }
}
