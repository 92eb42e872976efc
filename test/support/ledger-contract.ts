import { expect, test } from 'vitest'
import type {
  BeginDecision,
  Idempotency,
  Ledger,
  LedgerLimits,
  OpenUpload,
  Ticket,
} from '../../src/gateway/ledger/ledger.ts'

/** An hour on a clock that tests move. */
export const HOUR_MS = 3_600_000

const START = Date.UTC(2026, 0, 2)

export interface LedgerUnderTest {
  limits: LedgerLimits
  clock: () => number
}

export type CreateLedger = (options: LedgerUnderTest) => Ledger

const usual: LedgerLimits = {
  perMinute: 120,
  maxOpen: 10,
  maxAgeMs: 168 * HOUR_MS,
  runningMs: 30_000,
}

/** A ledger with a clock of its own, for one test. */
function setUp(create: CreateLedger, limits: Partial<LedgerLimits> = {}) {
  let now = START
  const all = { ...usual, ...limits }
  const ledger = create({ limits: all, clock: () => now })

  const upload = (confirmKey: string): OpenUpload => ({
    confirmKey,
    scope: 'scope',
    path: ['photos', `${confirmKey} ü.jpg`],
    size: 5_000_000_000_123,
    method: 'multipart',
    beganAt: now,
    endsAt: now + all.maxAgeMs,
  })

  return {
    ledger,
    upload,
    advance(ms: number) {
      now += ms
    },
    /** A begin with the outcome `upload`. */
    async begun(confirmKey: string, idempotency?: Idempotency, user = 'ann'): Promise<OpenUpload> {
      const ticket = admitted(await ledger.begin(user, idempotency))
      const opened = upload(confirmKey)
      await ledger.began(user, ticket, { outcome: 'upload', upload: opened })
      return opened
    },
    /** The kinds of `times` begins, one after the other. */
    async kinds(times: number, user = 'ann'): Promise<string[]> {
      const kinds: string[] = []
      for (let each = 0; each < times; each += 1) kinds.push((await ledger.begin(user)).kind)
      return kinds
    },
  }
}

/** The ticket of an admitted begin. Fails for any other decision. */
export function admitted(decision: BeginDecision): Ticket {
  if (decision.kind !== 'admitted') throw new Error(`not admitted: ${decision.kind}`)
  return decision.ticket
}

/** What every store of the ledger must do. */
export function testLedger(create: CreateLedger): void {
  const key = { key: 'key-1', fingerprint: 'print-1' }

  test('rate: a burst is allowed, then one begin at a time', async () => {
    const { ledger, advance, kinds } = setUp(create, { perMinute: 60, maxOpen: 0 })
    expect(await ledger.begin('ann')).toMatchObject({ rate: { remaining: 59, resetSeconds: 1 } })
    expect(await kinds(59)).toEqual(Array(59).fill('admitted'))
    expect(await ledger.begin('ann')).toEqual({
      kind: 'rate_limited',
      rate: { remaining: 0, resetSeconds: 1 },
      waitMs: 1000,
    })
    advance(1000)
    expect(await kinds(2)).toEqual(['admitted', 'rate_limited'])
    expect(await ledger.begin('bob')).toMatchObject({ kind: 'admitted' })
  })

  test('rate: refused begins count, and a rejected one does not extend the wait', async () => {
    const { ledger, advance } = setUp(create, { perMinute: 2 })
    expect(await ledger.count('ann')).toMatchObject({ rate: { remaining: 1 }, waitMs: 0 })
    expect((await ledger.count('ann')).waitMs).toBe(0)
    expect((await ledger.count('ann')).waitMs).toBe(30_000)
    expect((await ledger.begin('ann')).kind).toBe('rate_limited')
    advance(30_000)
    expect((await ledger.begin('ann')).kind).toBe('admitted')
  })

  test('rate: a clock that is set back does not extend the wait', async () => {
    const { ledger, advance, kinds } = setUp(create, { perMinute: 2 })
    expect(await kinds(3)).toEqual(['admitted', 'admitted', 'rate_limited'])
    advance(-8 * HOUR_MS)
    expect(await ledger.begin('ann')).toMatchObject({ kind: 'admitted', rate: { remaining: 1 } })
  })

  test('rate: 0 means no limit, and no state of the rate', async () => {
    const { ledger } = setUp(create, { perMinute: 0, maxOpen: 0 })
    expect(await ledger.count('ann')).toEqual({ rate: undefined, waitMs: 0 })
    expect((await ledger.begin('ann')).rate).toBeUndefined()
  })

  test('open uploads: running begins and uploads count until one ends', async () => {
    const { ledger, begun } = setUp(create, { maxOpen: 3 })
    await begun('a')
    const running = admitted(await ledger.begin('ann'))
    await begun('b')
    expect(await ledger.begin('ann')).toMatchObject({ kind: 'too_many_open', waitMs: 30_000 })
    await ledger.failed('ann', running)
    const again = admitted(await ledger.begin('ann'))
    expect((await ledger.begin('ann')).kind).toBe('too_many_open')
    await ledger.ended('ann', 'a', 'completed')
    await ledger.failed('ann', again)
    expect((await ledger.begin('ann')).kind).toBe('admitted')
    expect((await ledger.begin('bob')).kind).toBe('admitted')
  })

  test('a begin that fails after its ticket has ended leaves the key to the next begin', async () => {
    const { ledger, advance } = setUp(create)
    const key = { key: 'k', fingerprint: 'f' }
    const late = admitted(await ledger.begin('ann', key))
    advance(30_001)
    admitted(await ledger.begin('ann', key))
    await ledger.failed('ann', late)
    expect(await ledger.begin('ann', key)).toMatchObject({ kind: 'in_progress' })
  })

  test('open uploads: a begin without an outcome is void after its time', async () => {
    const { ledger, kinds, advance } = setUp(create, { maxOpen: 2 })
    expect(await kinds(3)).toEqual(['admitted', 'admitted', 'too_many_open'])
    advance(30_001)
    expect(await kinds(3)).toEqual(['admitted', 'admitted', 'too_many_open'])
    expect(await ledger.list('ann')).toEqual([])
  })

  test('open uploads: an outcome without an upload takes no place', async () => {
    const { ledger } = setUp(create, { maxOpen: 1 })
    for (let times = 0; times < 3; times += 1) {
      const ticket = admitted(await ledger.begin('ann'))
      await ledger.began('ann', ticket, { outcome: 'full_hash_required' })
    }
    expect(await ledger.list('ann')).toEqual([])
  })

  test('list: has the open uploads, newest first, without ended ones', async () => {
    const { ledger, begun, advance } = setUp(create, { maxAgeMs: HOUR_MS })
    const first = await begun('a')
    advance(1000)
    const second = await begun('b')
    advance(1000)
    const third = await begun('c')
    expect(await ledger.list('ann')).toEqual([third, second, first])
    expect(await ledger.list('bob')).toEqual([])
    await ledger.ended('ann', 'b', 'aborted')
    await ledger.ended('ann', 'unknown', 'aborted')
    await ledger.ended('bob', 'c', 'aborted')
    expect(await ledger.list('ann')).toEqual([third, first])
    advance(HOUR_MS - 1500)
    expect(await ledger.list('ann')).toEqual([third])
    advance(HOUR_MS)
    expect(await ledger.list('ann')).toEqual([])
  })

  // Hundreds of calls take long in workerd on a busy machine.
  test('list: without a limit of open uploads it has the newest 200', {
    timeout: 90_000,
  }, async () => {
    const { ledger, begun, advance } = setUp(create, { perMinute: 0, maxOpen: 0 })
    for (let index = 0; index < 203; index += 1) {
      advance(1)
      await begun(`key-${index}`)
    }
    const listed = await ledger.list('ann')
    expect(listed).toHaveLength(200)
    expect([listed[0]?.confirmKey, listed[199]?.confirmKey]).toEqual(['key-202', 'key-3'])
  })

  test('Idempotency-Key: running, then replayed, for another request refused', async () => {
    const { ledger, upload } = setUp(create)
    const ticket = admitted(await ledger.begin('ann', key))
    expect((await ledger.begin('ann', key)).kind).toBe('in_progress')
    const other = { ...key, fingerprint: 'print-2' }
    expect((await ledger.begin('ann', other)).kind).toBe('key_reused')
    await ledger.began('ann', ticket, { outcome: 'upload', upload: upload('a') })
    expect(await ledger.begin('ann', key)).toMatchObject({
      kind: 'replay',
      record: { outcome: 'upload', confirmKey: 'a', method: 'multipart' },
      rate: { remaining: 116 },
    })
    expect((await ledger.begin('ann', other)).kind).toBe('key_reused')
    expect((await ledger.begin('bob', key)).kind).toBe('admitted')
  })

  test.each([
    { outcome: 'stored', path: ['users', 'ann', 'a ü.jpg'] } as const,
    { outcome: 'full_hash_required' } as const,
  ])('Idempotency-Key: the outcome $outcome is replayed', async (record) => {
    const { ledger } = setUp(create)
    await ledger.began('ann', admitted(await ledger.begin('ann', key)), record)
    expect(await ledger.begin('ann', key)).toMatchObject({ kind: 'replay', record })
  })

  test('Idempotency-Key: free after a failure, and after the time of a lost begin', async () => {
    const { ledger, advance } = setUp(create)
    await ledger.failed('ann', admitted(await ledger.begin('ann', key)))
    admitted(await ledger.begin('ann', key))
    advance(30_001)
    admitted(await ledger.begin('ann', key))
    expect((await ledger.begin('ann', key)).kind).toBe('in_progress')
  })

  test('Idempotency-Key: used after complete, free after abort', async () => {
    const { ledger, begun } = setUp(create)
    await begun('a', key)
    await ledger.ended('ann', 'a', 'completed')
    const record = { outcome: 'complete' }
    expect(await ledger.begin('ann', key)).toMatchObject({ kind: 'replay', record })
    await begun('b', { ...key, key: 'key-2' })
    await ledger.ended('ann', 'b', 'aborted')
    expect((await ledger.begin('ann', { ...key, key: 'key-2' })).kind).toBe('admitted')
    expect((await ledger.begin('ann', key)).kind).toBe('replay')
  })

  test('Idempotency-Key: the end of an old upload leaves the key to the next begin', async () => {
    const { ledger, begun, advance } = setUp(create)
    await begun('a', key)
    advance(24 * HOUR_MS)
    await begun('b', key)
    await ledger.ended('ann', 'a', 'aborted')
    const record = { outcome: 'upload', confirmKey: 'b' }
    expect(await ledger.begin('ann', key)).toMatchObject({ kind: 'replay', record })
  })

  test.each([
    ['24 hours', 168 * HOUR_MS, 24 * HOUR_MS],
    ["the upload's end", HOUR_MS, HOUR_MS],
  ])('Idempotency-Key: kept for %s', async (_, maxAgeMs, keptMs) => {
    const { ledger, begun, advance } = setUp(create, { maxAgeMs })
    await begun('a', key)
    advance(keptMs - 1000)
    expect((await ledger.begin('ann', key)).kind).toBe('replay')
    advance(2000)
    expect((await ledger.begin('ann', key)).kind).toBe('admitted')
  })

  test('Idempotency-Key: a replay is allowed at the limit of open uploads, but not of the rate', async () => {
    const { ledger, begun } = setUp(create, { maxOpen: 1, perMinute: 3 })
    await begun('a', key)
    expect((await ledger.begin('ann')).kind).toBe('too_many_open')
    expect((await ledger.begin('ann', key)).kind).toBe('replay')
    expect((await ledger.begin('ann', key)).kind).toBe('rate_limited')
  })

  test('replaces: admits one begin in place of the cancelled upload, without counting it', async () => {
    const { ledger, begun, upload } = setUp(create, { maxOpen: 1, perMinute: 1 })
    await begun('a', key)
    const decision = await ledger.begin('ann', key, 'a')
    expect(decision.kind).toBe('admitted')
    expect(decision.rate).toBeUndefined()
    expect(await ledger.list('ann')).toEqual([])
    expect((await ledger.begin('ann', key, 'a')).kind).toBe('in_progress')
    const opened = upload('b')
    await ledger.began('ann', admitted(decision), { outcome: 'upload', upload: opened })
    expect(await ledger.list('ann')).toEqual([opened])
    // Another replay has replaced it already.
    expect(await ledger.begin('ann', key, 'a')).toMatchObject({
      kind: 'replay',
      record: { confirmKey: 'b' },
    })
  })
}
