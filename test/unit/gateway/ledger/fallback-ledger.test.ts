import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createFallbackLedger,
  type SharedLedger,
  UnreadableEntry,
} from '../../../../src/gateway/ledger/fallback-ledger.ts'
import type { Ledger, LedgerLimits } from '../../../../src/gateway/ledger/ledger.ts'
import { createMemoryLedger } from '../../../../src/gateway/ledger/memory-ledger.ts'
import { type LogRecord, noMetrics } from '../../../../src/gateway/ports.ts'
import { admitted, HOUR_MS, testLedger } from '../../../support/ledger-contract.ts'

const key = { key: 'key-1', fingerprint: 'print-1' }
const limits = { perMinute: 120, maxOpen: 10, maxAgeMs: 168 * HOUR_MS, runningMs: 30_000 }

/** A store that answers, refuses calls, or never answers. */
function fakeStore(own: LedgerLimits, clock: () => number) {
  let state: 'up' | 'down' | 'hanging' = 'up'
  let delayMs = 0
  const calls: string[] = []
  const store = createMemoryLedger({ limits: own, clock, monotonicClock: clock })
  const ask =
    <A extends unknown[], T>(name: string, call: (...args: A) => T) =>
    async (...args: A): Promise<T> => {
      calls.push(name)
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
      if (state === 'hanging') await new Promise(() => {})
      if (state === 'down') throw new Error('canary: redis://user:password@host')
      return call(...args)
    }
  const shared: SharedLedger = {
    begin: ask('begin', store.begin),
    count: ask('count', store.count),
    began: ask('began', store.began),
    failed: ask('failed', store.failed),
    ended: ask('ended', store.ended),
    list: ask('list', store.list),
    ping: ask('ping', () => {}),
    reset: () => calls.push('reset'),
  }
  return {
    shared,
    store,
    calls,
    be(next: typeof state, ms = 0) {
      state = next
      delayMs = ms
    },
  }
}

function setUp(isAvailable = true, monotonicClock = () => performance.now()) {
  const clock = Date.now
  const fake = fakeStore(limits, clock)
  const logged: [string, LogRecord][] = []
  const gauge: boolean[] = []
  const memory = createMemoryLedger({ limits, clock, monotonicClock: () => performance.now() })
  const ledger = createFallbackLedger({
    shared: fake.shared,
    memory,
    maxListed: 10,
    isAvailable,
    log: (level, record) => logged.push([level, record]),
    metrics: { ...noMetrics, ledgerAvailable: (value) => gauge.push(value) },
    monotonicClock,
  })
  return { ...fake, ledger, memory, logged, gauge }
}

const upload = (confirmKey: string) => ({
  confirmKey,
  scope: 'scope',
  path: ['a.txt'],
  size: 1,
  method: 'multipart' as const,
  beganAt: Date.now(),
  endsAt: Date.now() + limits.maxAgeMs,
})

async function begun(ledger: Ledger, confirmKey: string, idempotency?: typeof key) {
  const ticket = admitted(await ledger.begin('ann', idempotency))
  await ledger.began('ann', ticket, { outcome: 'upload', upload: upload(confirmKey) })
}

/** How long `work` takes on the clock of the test, milliseconds. */
async function lasting(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  let lastedMs: number | undefined
  work.then(() => {
    lastedMs = performance.now() - startedAt
  })
  for (let ms = 0; ms < 2000 && lastedMs === undefined; ms += 1) {
    await vi.advanceTimersByTimeAsync(1)
  }
  return lastedMs ?? Number.NaN
}

describe('fallback ledger', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('a timeout of one call is no absence while the store answers other calls', async () => {
    const { ledger, be, logged } = setUp()
    be('hanging')
    const slow = ledger.begin('ann')
    be('up')
    await vi.advanceTimersByTimeAsync(1)
    expect((await ledger.begin('bob')).kind).toBe('admitted')
    await vi.advanceTimersByTimeAsync(250)
    expect((await slow).kind).toBe('admitted')
    expect(logged).toEqual([['debug', { event: 'ledger_bypassed', reason: 'ledger_timeout' }]])
  })

  test('concurrent lists of a user ask the store once', async () => {
    const { ledger, calls } = setUp()
    await begun(ledger, 'a')
    calls.length = 0
    const lists = await Promise.all([ledger.list('ann'), ledger.list('ann'), ledger.list('ann')])
    expect(lists.map(({ length }) => length)).toEqual([1, 1, 1])
    expect(calls).toEqual(['list'])
  })

  test('an unreadable entry is no absence', async () => {
    const { ledger, shared, logged } = setUp()
    shared.list = () => Promise.reject(new UnreadableEntry())
    expect(await ledger.list('ann')).toEqual([])
    expect(logged).toEqual([['warn', { event: 'ledger_bypassed', reason: 'ledger_unreadable' }]])
  })

  test('an end that one slow call has missed is sent with the next call', async () => {
    const { ledger, be, store } = setUp()
    await begun(ledger, 'a')
    be('hanging')
    const slow = ledger.ended('ann', 'a', 'aborted')
    be('up')
    await vi.advanceTimersByTimeAsync(1)
    await ledger.begin('bob')
    await vi.advanceTimersByTimeAsync(250)
    await slow
    expect(store.list('ann')).toHaveLength(1)
    await ledger.begin('bob')
    await vi.advanceTimersByTimeAsync(0)
    expect(store.list('ann')).toEqual([])
  })

  describe('while the store is available', () => {
    testLedger(({ limits: own, clock }) =>
      createFallbackLedger({
        shared: fakeStore(own, clock).shared,
        memory: createMemoryLedger({ limits: own, clock, monotonicClock: clock }),
        maxListed: own.maxOpen || 200,
        log: () => undefined,
        metrics: noMetrics,
        monotonicClock: clock,
      }),
    )
  })

  test('a store that refuses calls: memory answers, and the log says so once', async () => {
    const { ledger, be, logged, gauge, calls } = setUp()
    expect(gauge).toEqual([true])
    be('down')
    await begun(ledger, 'a')
    await begun(ledger, 'b')
    expect(await ledger.list('ann')).toHaveLength(2)
    expect(await ledger.count('ann')).toMatchObject({ waitMs: 0 })
    await ledger.ended('ann', 'a', 'completed')
    expect(await ledger.list('ann')).toMatchObject([{ confirmKey: 'b' }])
    expect(logged).toEqual([['warn', { event: 'ledger_unavailable', reason: 'ledger_error' }]])
    expect(gauge).toEqual([true, false])
    // A ping that fails drops the connection.
    expect(calls).toEqual(['begin', 'ping', 'reset'])
  })

  test('a store that hangs: one begin waits 200 ms in total, and later ones not at all', async () => {
    const { ledger, be, logged, calls } = setUp()
    be('hanging')
    const waiting = Array.from({ length: 40 }, (_, index) =>
      lasting(Promise.resolve(ledger.begin(`user-${index}`))),
    )
    for (const lastedMs of await Promise.all(waiting)) expect(lastedMs).toBeLessThanOrEqual(200)
    expect(await lasting(begun(ledger, 'a'))).toBeLessThanOrEqual(1)
    expect(await lasting(Promise.resolve(ledger.list('ann')))).toBeLessThanOrEqual(1)
    expect(logged).toEqual([['warn', { event: 'ledger_unavailable', reason: 'ledger_timeout' }]])
    expect(calls.filter((call) => call === 'ping')).toHaveLength(1)
    expect(calls).toContain('reset')
  })

  test('a store that becomes slow: the outcome of a begin waits only for the rest of 200 ms', async () => {
    const { ledger, be, memory } = setUp()
    be('up', 150)
    const beginning = Promise.resolve(ledger.begin('ann', key))
    expect(await lasting(beginning)).toBe(150)
    be('hanging')
    const record = { outcome: 'upload', upload: upload('a') } as const
    const keeping = Promise.resolve(ledger.began('ann', admitted(await beginning), record))
    expect(await lasting(keeping)).toBe(50)
    expect(memory.list('ann')).toHaveLength(1)
    // A replay on this instance works.
    expect(await ledger.begin('ann', key)).toMatchObject({ kind: 'replay' })
  })

  test('a begin whose process stalled for longer than 200 ms: the outcome waits for no negative time', async () => {
    let stallMs = 0
    const { ledger, shared } = setUp(true, () => performance.now() + stallMs)
    const waits: (number | undefined)[] = []
    const fake = globalThis.setTimeout
    // Not a spy: a later file that restores all spies would bring the fake timers back.
    globalThis.setTimeout = ((work: () => void, ms?: number) => {
      waits.push(ms)
      return fake(work, ms)
    }) as typeof fake
    const { begin } = shared
    shared.begin = (...args) => {
      stallMs += 300
      return begin(...args)
    }
    await begun(ledger, 'a', key)
    // Node warns on standard error about a negative time.
    globalThis.setTimeout = fake
    expect(waits).toContain(0)
    expect(waits.filter((ms = 0) => ms < 0)).toEqual([])
    expect(await ledger.begin('ann', key)).toMatchObject({ kind: 'replay' })
  })

  test('while the store is away, it is pinged once a second', async () => {
    const { ledger, be, calls } = setUp()
    be('down')
    for (let ms = 0; ms < 5000; ms += 50) {
      await ledger.begin(`user-${ms}`)
      await vi.advanceTimersByTimeAsync(50)
    }
    expect(calls.filter((call) => call === 'begin')).toHaveLength(1)
    expect(calls.filter((call) => call === 'ping')).toHaveLength(5)
  })

  test('a ping that hangs does not stop the next one', async () => {
    const { ledger, be, logged, calls } = setUp()
    be('down')
    await ledger.begin('ann')
    be('hanging')
    await vi.advanceTimersByTimeAsync(1000)
    ledger.check()
    await vi.advanceTimersByTimeAsync(1000)
    be('up')
    ledger.check()
    await vi.advanceTimersByTimeAsync(0)
    expect(calls.filter((call) => call === 'ping')).toHaveLength(3)
    expect(logged.map(([, { event }]) => event)).toEqual(['ledger_unavailable', 'ledger_available'])
  })

  /** Lets the ledger find out that the store is back. */
  async function comeBack({ be, ledger }: Pick<ReturnType<typeof setUp>, 'be' | 'ledger'>) {
    be('up')
    await vi.advanceTimersByTimeAsync(1000)
    ledger.check()
    await vi.advanceTimersByTimeAsync(0)
  }

  test('when the store is back, it counts again, and the log says so once', async () => {
    const all = setUp()
    const { ledger, be, logged, gauge, store } = all
    be('down')
    await ledger.begin('ann')
    await comeBack(all)
    await begun(ledger, 'a')
    expect(store.list('ann')).toHaveLength(1)
    expect(logged.at(-1)).toEqual(['info', { event: 'ledger_available' }])
    expect(logged).toHaveLength(2)
    expect(gauge).toEqual([true, false, true])
  })

  test('what began in memory stays there when the store is back', async () => {
    const all = setUp()
    const { ledger, be, memory, store } = all
    await begun(ledger, 'before')
    be('down')
    await vi.advanceTimersByTimeAsync(5)
    await begun(ledger, 'meanwhile', key)
    const running = admitted(await ledger.begin('ann', { ...key, key: 'key-2' }))
    await comeBack(all)
    expect(await ledger.begin('ann', key)).toMatchObject({
      kind: 'replay',
      record: { confirmKey: 'meanwhile' },
    })
    await ledger.began('ann', running, { outcome: 'upload', upload: upload('late') })
    await begun(ledger, 'after')
    const listed = await ledger.list('ann')
    expect(listed.map(({ confirmKey }) => confirmKey).sort()).toEqual([
      'after',
      'before',
      'late',
      'meanwhile',
    ])
    expect(listed.at(-1)?.confirmKey).toBe('before')
    expect(memory.list('ann')).toHaveLength(2)
    expect(store.list('ann')).toHaveLength(2)
    for (const { confirmKey } of listed) await ledger.ended('ann', confirmKey, 'aborted')
    expect(await ledger.list('ann')).toEqual([])
  })

  test('a begin that failed frees its key, wherever it began', async () => {
    const { ledger, be } = setUp()
    await ledger.failed('ann', admitted(await ledger.begin('ann', key)))
    const ticket = admitted(await ledger.begin('ann', key))
    be('down')
    await ledger.failed('ann', ticket)
    await ledger.failed('ann', admitted(await ledger.begin('ann', key)))
    expect(await ledger.begin('ann', key)).toMatchObject({ kind: 'admitted' })
  })

  test('uploads that ended while the store was away end there when it is back', async () => {
    const all = setUp()
    const { ledger, be, store } = all
    await begun(ledger, 'a')
    await begun(ledger, 'b')
    be('down')
    await ledger.ended('ann', 'a', 'completed')
    await comeBack(all)
    await vi.advanceTimersByTimeAsync(0)
    expect(store.list('ann')).toMatchObject([{ confirmKey: 'b' }])
  })

  test('a store that is away at the start: no call waits, and the first one pings it', async () => {
    const { ledger, logged, gauge, calls } = setUp(false)
    expect(logged.map(([level]) => level)).toEqual(['warn'])
    expect((await ledger.begin('ann')).kind).toBe('admitted')
    expect(calls).toEqual(['ping'])
    await vi.advanceTimersByTimeAsync(0)
    expect(logged.map(([level]) => level)).toEqual(['warn', 'info'])
    expect(gauge).toEqual([true, false, true])
  })
})
