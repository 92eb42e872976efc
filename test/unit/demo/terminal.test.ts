import { expect, onTestFinished, test, vi } from 'vitest'
import { startBar } from '../../../src/demo/terminal.ts'

/** What a bar writes from start to stop, on these terminals. */
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

test('the bar is drawn on a terminal', () => {
  expect(writtenByBar({ terminals: ['stdout', 'stderr'], log: false })).toContain('1 KB of 1 KB')
})

test('the bar is off while a log is written to the same terminal', () => {
  expect(writtenByBar({ terminals: ['stdout', 'stderr'], log: true })).toBe('')
})

test('the bar is drawn while the log goes elsewhere', () => {
  expect(writtenByBar({ terminals: ['stdout'], log: true })).toContain('1 KB of 1 KB')
})

test('the bar is off where the output is no terminal', () => {
  expect(writtenByBar({ terminals: ['stderr'], log: false })).toBe('')
})
