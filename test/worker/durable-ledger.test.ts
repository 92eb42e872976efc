import { readFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { LedgerLimits } from '../../src/gateway/ledger/ledger.ts'
import {
  createDurableLedger,
  type LedgerBinding,
} from '../../src/gateway/runtimes/worker/durable-ledger.ts'
import { LedgerObject } from '../../src/gateway/runtimes/worker/ledger-object.ts'
import { compatibility } from '../support/compatibility.ts'
import { admitted, HOUR_MS, testLedger } from '../support/ledger-contract.ts'

const limits = { perMinute: 120, maxOpen: 10, maxAgeMs: 168 * HOUR_MS, runningMs: 30_000 }
const key = { key: 'key-1', fingerprint: 'print-1' }

describe('Durable Object ledger', () => {
  let miniflare: Miniflare
  let binding: LedgerBinding
  let tests = 0

  beforeAll(async () => {
    miniflare = new Miniflare(
      convertV4MiniflareOptions({
        modules: true,
        script: await readFile(inject('deployedFile'), 'utf8'),
        ...compatibility,
        cf: false,
        durableObjects: { LEDGER: { className: 'LedgerObject', useSQLite: true } },
      } as never),
    )
    binding = (await miniflare.getDurableObjectNamespace('LEDGER')) as unknown as LedgerBinding
  })
  afterAll(() => miniflare.dispose())

  const create = (own: Partial<LedgerLimits>, realm: string, clock = Date.now) =>
    createDurableLedger({ binding, realm: [realm], limits: { ...limits, ...own }, clock })

  describe('alone', () => {
    testLedger(({ limits: own, clock }) => {
      tests += 1
      return create(own, `test ${tests}`, clock)
    })
  })

  test('two isolates share one user: of 20 concurrent begins with one key, one is admitted', async () => {
    const ledgers = [create({}, 'shared'), create({}, 'shared')]
    const decisions = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ledgers[index % 2]!.begin('ann', key)),
    )
    const kinds = decisions.map(({ kind }) => kind).sort()
    expect(kinds).toEqual(['admitted', ...Array(19).fill('in_progress')])
  })

  test('two isolates share the number of open uploads', async () => {
    const ledgers = [create({}, 'open'), create({}, 'open')]
    const decisions = await Promise.all(
      Array.from({ length: 30 }, (_, index) => ledgers[index % 2]!.begin('ann')),
    )
    expect(decisions.filter(({ kind }) => kind === 'admitted')).toHaveLength(10)
  })

  test('ping resolves', async () => {
    await create({}, 'ping').ping()
  })
})

describe('LedgerObject', () => {
  /** The storage of an object: SQLite as on the platform, and the alarm. */
  function fakeStorage() {
    let database = new DatabaseSync(':memory:')
    const alarms: number[] = []
    return {
      alarms,
      sql: {
        exec: (query: string, ...values: string[]) =>
          database.prepare(query).all(...values) as Record<string, unknown>[],
      },
      async setAlarm(at: number) {
        alarms.push(at)
      },
      async deleteAll() {
        database.close()
        database = new DatabaseSync(':memory:')
      },
      tables: () => database.prepare('SELECT name FROM sqlite_master').all().length,
    }
  }

  /** A ledger on an object that can be started again with the same storage. */
  function setUp() {
    const storage = fakeStorage()
    let object = new LedgerObject({ storage })
    const binding = {
      idFromName: (name: string) => name,
      get: () => ({
        fetch: (url: string, init: RequestInit) => object.fetch(new Request(url, init)),
      }),
    }
    return {
      storage,
      ledger: createDurableLedger({ binding, realm: ['test'], limits, clock: Date.now }),
      alarm: () => object.alarm(),
      restart() {
        object = new LedgerObject({ storage })
      },
    }
  }

  const upload = (confirmKey: string, endsAt = Date.now() + limits.maxAgeMs) => ({
    confirmKey,
    scope: 'scope',
    path: ['a.txt'],
    size: 1,
    method: 'multipart' as const,
    beganAt: Date.now(),
    endsAt,
  })

  test('the state survives a restart of the object', async () => {
    const { ledger, restart } = setUp()
    const ticket = admitted(await ledger.begin('ann', key))
    await ledger.began('ann', ticket, { outcome: 'upload', upload: upload('a') })
    const other = admitted(await ledger.begin('ann'))
    await ledger.began('ann', other, { outcome: 'upload', upload: upload('b') })
    for (let times = 0; times < 8; times += 1) admitted(await ledger.begin('ann'))
    restart()
    const listed = (await ledger.list('ann')).map(({ confirmKey }) => confirmKey)
    expect(listed).toEqual(['b', 'a'])
    const decision = await ledger.begin('ann')
    expect(decision.kind).toBe('too_many_open')
    expect(decision.rate?.remaining).toBeLessThan(115)
    expect((await ledger.begin('ann', key)).kind).toBe('replay')
    await ledger.ended('ann', 'a', 'aborted')
    restart()
    expect(await ledger.list('ann')).toMatchObject([{ confirmKey: 'b' }])
    expect((await ledger.begin('ann', key)).kind).toBe('admitted')
  })

  test('reading stores nothing', async () => {
    const { ledger, storage } = setUp()
    expect(await ledger.list('ann')).toEqual([])
    await ledger.ended('ann', 'a', 'completed')
    expect(storage.tables()).toBe(0)
    expect(storage.alarms).toEqual([])
  })

  test('the alarm drops what has ended, and at last the whole storage', async () => {
    const { ledger, storage, alarm } = setUp()
    const running = admitted(await ledger.begin('ann'))
    const endsAt = Date.now() + 60_000
    await ledger.began('ann', running, { outcome: 'upload', upload: upload('a', endsAt) })
    expect(storage.alarms).toHaveLength(1)
    await alarm()
    expect(storage.tables()).toBeGreaterThan(0)
    expect(storage.alarms).toHaveLength(2)
    await ledger.ended('ann', 'a', 'completed')
    await alarm()
    expect(storage.tables()).toBe(0)
    expect(storage.alarms).toHaveLength(2)
    // The object goes on, and sets an alarm again.
    admitted(await ledger.begin('ann', key))
    expect((await ledger.begin('ann', key)).kind).toBe('in_progress')
    expect(storage.alarms).toHaveLength(3)
  })
})
