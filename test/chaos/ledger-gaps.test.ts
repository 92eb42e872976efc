import { expect, test } from 'vitest'
import { gapsOf, ledgerGapsOf } from './ledger-gaps.ts'

function gateway(starts: number[], ...events: [at: number, event: string][]) {
  const lines = events.map(([at, event]) => {
    const time = new Date(at).toISOString()
    return `{"level":"warn","time":"${time}","event":"${event}","reason":"ledger_timeout"}\n`
  })
  return { starts: () => starts, written: () => lines.join('') }
}

test('ledger gaps: a gap ends when the gateway uses Redis again', () => {
  const gaps = ledgerGapsOf(
    gateway([0], [50_000, 'ledger_unavailable'], [60_000, 'ledger_available']),
  )
  expect(gaps).toHaveLength(1)
  expect(gaps[0]!.from).toBeLessThan(50_000)
  expect(gaps[0]!.to).toBeGreaterThan(60_000)
  expect(gaps[0]!.to).toBeLessThan(65_000)
})

test('ledger gaps: a gap ends with the process', () => {
  const gaps = ledgerGapsOf(gateway([0, 55_000], [50_000, 'ledger_unavailable']))
  expect(gaps.map(({ to }) => to < 60_000)).toEqual([true])
})

test('ledger gaps: a gap is open while the gateway does without Redis', () => {
  expect(ledgerGapsOf(gateway([0], [50_000, 'ledger_unavailable'])).at(-1)?.to).toBe(Infinity)
})

test('ledger gaps: without Redis the ledger is never shared', () => {
  expect(gapsOf(undefined, [])).toEqual([{ from: 0, to: Infinity }])
})
