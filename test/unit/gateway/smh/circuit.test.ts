import { expect, test } from 'vitest'
import { noMetrics } from '../../../../src/gateway/ports.ts'
import { createCircuit } from '../../../../src/gateway/smh/circuit.ts'
import { SmhError, type SmhFailure } from '../../../../src/gateway/smh/smh-error.ts'
import type { SmhRequest, SmhResponse } from '../../../../src/gateway/smh/transport.ts'
import { readTable } from '../../../support/upstream-steps.ts'

const refused = (status: number, code?: string): SmhFailure => ({
  kind: 'refused',
  status,
  code,
  requestId: undefined,
  retryAfterSeconds: undefined,
})

/** How a call of the events below ends. */
const outcomes: Record<string, SmhFailure | undefined> = {
  ok: undefined,
  404: refused(404, 'UploadNotFound'),
  429: refused(429, 'RateLimitExceeded'),
  500: refused(500),
  503: refused(503),
  lost: { kind: 'connection_lost' },
  timeout: { kind: 'timeout', cause: 'smh' },
  stalled: { kind: 'timeout', cause: 'machine' },
  late: { kind: 'timeout', cause: 'deadline' },
  left: { kind: 'aborted' },
}

function start() {
  let now = 0
  const events: string[] = []
  const circuit = createCircuit({
    monotonicClock: () => now,
    log: (_, { event }) => events.push(event),
    metrics: noMetrics,
    trialMs: 30_000,
  })
  /** Makes one call, for `noUser` one without a user; resolves to its outcome. */
  async function call(who: string, outcome: string, more: Partial<SmhRequest> = {}) {
    let made = false
    const guarded = circuit.guard(async () => {
      made = true
      const failure = outcomes[outcome]
      if (failure) throw new SmhError(failure)
      return {} as SmhResponse
    })
    const common = {
      operation: 'x',
      method: 'GET',
      path: '/',
      query: {},
      repeatable: true,
    } as const
    const user = who === 'noUser' ? {} : { user: who }
    try {
      await guarded({ ...common, ...user, ...more }, { deadline: 0 })
    } catch (error) {
      if (!made) return (error as SmhError).failure
    }
    return 'made' as const
  }
  /** `ann 503*5 +3 bob ok`: five calls of ann's that fail, three seconds, a call of bob's that succeeds. */
  async function replay(story: string) {
    for (const [, seconds, who, outcome, times] of story.matchAll(
      /\+(\d+)|(\w+) (\w+)(?:\*(\d+))?/g,
    )) {
      if (seconds) now += Number(seconds) * 1000
      for (let time = 0; who && outcome && time < Number(times ?? 1); time += 1) {
        await call(who, outcome)
      }
    }
  }
  const advance = (ms: number) => {
    now += ms
  }
  return { circuit, call, replay, advance, events }
}

/*
 * What becomes of the next call of ann, of eve, whose calls have not failed, and of one that belongs to no
 * user; and whether SMH may be down for all.
 */
const table = readTable(`
                                                             ann      eve      noUser   doubt
none                                                         made     made     made     no
ann 503*4                                                    made     made     made     yes
ann 503*5                                                    refused  made     made     yes
ann 500*5                                                    refused  made     made     yes
ann lost*5                                                   refused  made     made     yes
ann timeout*5                                                refused  made     made     yes
ann 429*4                                                    made     made     made     no
ann 429*5                                                    refused  made     made     no
ann 429*5 +4                                                 refused  made     made     no
ann 429*5 +5                                                 made     made     made     no
ann 429*5 +5 ann 429                                         refused  made     made     no
ann 429*5 +5 ann left                                        made     made     made     no
ann 503*5 +5 ann ok                                          made     made     made     no
ann 503*4 ann ok ann 503*4                                   made     made     made     yes
ann 503*4 ann 404 ann 503*4                                  made     made     made     yes
ann left*9                                                   made     made     made     no
ann late*9                                                   made     made     made     no
ann stalled*9 bob stalled*9 +9 cid stalled*9                 made     made     made     no
ann 503*900 +9 ann 503*900                                   refused  made     made     yes
ann 503*4 bob 503*4 +9 ann 503*4 bob 503*4                   refused  made     made     yes
ann 503*4 bob 503*4 +2 cid 503*4                             made     made     made     yes
ann 503*4 bob 503*4 +3 cid 503                               made     made     made     yes
ann 503*4 bob 503*4 +3 cid 503*2                             refused  made     refused  yes
ann 503*4 bob 503*4 eve ok +3 cid 503*4                      made     made     made     yes
ann 503*4 bob 503*4 eve 429 +3 cid 503*4                     made     made     made     yes
ann 503*4 bob 503*4 eve 404 +3 cid 503*4                     made     made     made     yes
ann 429*4 bob 429*4 +3 cid 429*4                             made     made     made     no
ann 503*4 bob 503*4 +3 cid 503*2 +4                          refused  made     refused  yes
ann 503*4 bob 503*4 +3 cid 503*2 +5                          made     made     made     yes
ann 503*4 bob 503*4 +3 cid 503*2 +5 ann 503                  refused  made     refused  yes
ann 503*4 bob 503*4 +3 cid 503*2 +5 ann 429                  refused  made     made     no
ann 503*4 bob 503*4 +3 cid 503*2 +5 ann 404                  made     made     made     no
ann 503*4 bob 503*4 +3 cid 503*2 +5 bob ok                   made     made     made     no
ann 503*4 bob 503*4 +3 cid 503*2 dan 503                     refused  refused  refused  yes
ann 503*4 bob 503*4 +3 cid 503*2 dan 503 +1                  refused  made     refused  yes
ann 503*4 bob 503*4 +3 cid 503*2 dan left                    refused  made     refused  yes
ann 503*4 bob 503*4 +3 cid 503*2 dan 429                     made     made     made     no
noUser 503*2                                                 made     made     made     yes
noUser 503*3                                                 made     made     refused  yes
noUser 429*3                                                 made     made     refused  yes
noUser 503*2 ann ok noUser 503*2                             made     made     made     yes
noUser 503*3 dan 503                                         refused  refused  refused  yes
noUser 503*3 +5                                              made     made     made     yes
noUser 503*3 +5 noUser ok                                    made     made     made     no
noUser 503*3 +5 noUser 429                                   made     made     refused  yes
noUser 503*3 ann ok                                          made     made     made     no
`)

test.each(Object.entries(table))('circuit: after %s', async (story, expected) => {
  const found: Record<string, string> = {}
  for (const who of ['ann', 'eve', 'noUser']) {
    const { call, replay } = start()
    await replay(story)
    found[who] = (await call(who, 'ok')) === 'made' ? 'made' : 'refused'
  }
  const { circuit, replay } = start()
  await replay(story)
  expect({ ...found, doubt: circuit.isInDoubt() ? 'yes' : 'no' }).toEqual(expected)
})

test('circuit: an error has the seconds to wait and the scope, user or all', async () => {
  const { call, replay, advance } = start()
  await replay('ann 429*5')
  advance(3_500)
  expect(await call('ann', 'ok')).toEqual({ kind: 'circuit_open', scope: 'user', waitMs: 1_500 })
  await replay('noUser 503*3')
  expect(await call('noUser', 'ok')).toEqual({ kind: 'circuit_open', scope: 'all', waitMs: 5_000 })
})

test('circuit: the log has an event when the circuit opens for all users, but not for one', async () => {
  const { replay, events } = start()
  await replay('ann 503*9 +5 ann ok')
  expect(events).toEqual([])
  await replay('noUser 503*3 +5 noUser ok')
  expect(events).toEqual(['smh_circuit_opened', 'smh_circuit_closed'])
})

test('circuit: a trial without an outcome is replaced by another after the timeout', async () => {
  const { circuit, call, replay, advance } = start()
  await replay('ann 503*4 bob 503*4 +3 cid 503*2 +5')
  const never = circuit.guard(() => new Promise(() => {}))
  const trial = { operation: 'x', method: 'GET', path: '/', query: {}, repeatable: true } as const
  void never({ ...trial, user: 'ann' }, { deadline: 0 })
  void never({ ...trial, user: 'eve' }, { deadline: 0 })
  expect(await call('bob', 'ok')).not.toBe('made')
  expect(await call('dan', 'ok')).not.toBe('made')
  advance(30_000)
  expect(await call('bob', '503')).toBe('made')
  expect(await call('dan', 'ok')).toBe('made')
})

test('circuit: a confirm that times out does not count as a failure', async () => {
  const { call } = start()
  for (let time = 0; time < 9; time += 1) await call('ann', 'timeout', { timeoutMs: 60_000 })
  expect(await call('ann', 'ok')).toBe('made')
})

test('circuit: the number of users with state is limited', async () => {
  const { call, replay } = start()
  await replay('ann 429*5')
  for (let user = 0; user < 10_000; user += 1) await call(`user-${user}`, '429')
  expect(await call('ann', 'ok')).toBe('made')
})
