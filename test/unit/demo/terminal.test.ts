import { expect, onTestFinished, test, vi } from 'vitest'
import { startBar } from '../../../src/demo/terminal.ts'

/** The output of a progress bar when stdout and stderr are terminals or not. */
function writtenByBar({ terminals, log }: { terminals: string[]; log: boolean }): string {
  for (const name of ['stdout', 'stderr'] as const) {
    const { isTTY } = process[name]
    process[name].isTTY = terminals.includes(name)
    onTestFinished(() => {
      process[name].isTTY = isTTY
    })
  }
  const write = vi.fn((_text: unknown) => true)
  vi.spyOn(process.stdout, 'write').mockImplementation(write)
  onTestFinished(() => void vi.restoreAllMocks())
  const bar = startBar(1024, { log })
  bar.show(1024)
  bar.stop()
  return write.mock.calls.map(([text]) => text).join('')
}

test('progress bar: shown on a terminal', () => {
  expect(writtenByBar({ terminals: ['stdout', 'stderr'], log: false })).toContain('1 KB of 1 KB')
})

test('progress bar: hidden while the log is written to the same terminal', () => {
  expect(writtenByBar({ terminals: ['stdout', 'stderr'], log: true })).toBe('')
})

test('progress bar: shown while the log is redirected', () => {
  expect(writtenByBar({ terminals: ['stdout'], log: true })).toContain('1 KB of 1 KB')
})

test('progress bar: hidden when the output is not a terminal', () => {
  expect(writtenByBar({ terminals: ['stderr'], log: false })).toBe('')
})
