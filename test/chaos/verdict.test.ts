import { describe, expect, test } from 'vitest'
import type { Evidence, FoundBegin, FoundFile } from './evidence.ts'
import type { Attempt } from './journal.ts'
import type { BeginRequest, KeyLife, ReceivedList } from './traffic.ts'
import { judge } from './verdict.ts'

const print = { size: 5, sha256: 'aa', crc64: '17' }

type Facts = Partial<Omit<Attempt, 'wanted'>> & { wanted?: Partial<Attempt['wanted']> }

function attempt(id: string, facts: Facts = {}): Attempt {
  return {
    id,
    content: { content: 0, size: 5 },
    confirmKey: `key ${id}`,
    confirmKeys: new Set([`key ${id}`]),
    stored: [{ path: ['a', 'f.bin'], crc64: '17', size: 5 }],
    errorCodes: [],
    errorCodesAfterStored: [],
    lostBegins: 0,
    instantBegins: 0,
    beganAt: 1,
    storedAt: 2,
    settled: 'stored',
    ...facts,
    wanted: {
      user: 'ann',
      path: 'a/f.bin',
      strategy: 'rename',
      settleBy: 'abort',
      gateway: 0,
      ...print,
      ...facts.wanted,
    },
  }
}

const file = (id: string | undefined, facts: Partial<FoundFile> = {}): FoundFile => ({
  ...print,
  id,
  userId: 'ann',
  path: ['users', 'ann', 'a', 'f.bin'],
  ...facts,
})

const failed = { stored: [], storedAt: undefined, errorCodes: ['network'] }

const unanswered = {
  ...{ ...failed, confirmKey: undefined, confirmKeys: new Set<string>(), settled: undefined },
  lostBegins: 1,
}

/** A begin of upload 1 by ann. Its first request is sent at 1000 and answered at 2000. */
function begin(facts: Partial<FoundBegin> = {}): FoundBegin {
  return {
    attemptId: '1',
    user: 'ann',
    method: 'multipart',
    requests: [request()],
    created: 1,
    lost: 0,
    ...facts,
  }
}

function request(facts: Partial<BeginRequest> = {}): BeginRequest {
  return { sentAt: 1000, answeredAt: 2000, status: 201, confirmKey: 'key 1', ...facts }
}

/** What ann knows about the upload of that begin. */
function livesWith(facts: Partial<KeyLife> = {}): Map<string, KeyLife> {
  const life: KeyLife = {
    attemptId: '1',
    user: 'ann',
    begin: begin(),
    learnedAt: 2000,
    endSentAt: undefined,
    endedAt: undefined,
    ...facts,
  }
  return new Map([['key 1', life]])
}

/** A list that ann receives at 5000. */
function list(facts: Partial<ReceivedList> = {}): ReceivedList {
  const uploads = [{ confirmKey: 'key 1', path: ['a', 'f.bin'], size: 5 }]
  return { user: 'ann', sentAt: 4000, answeredAt: 5000, uploads, ...facts }
}

const openTask = { userId: 'ann', path: ['users', 'ann', 'a', 'f.bin'], parts: 0, isNamed: false }

const lostRequest = request({ answeredAt: undefined, status: undefined, confirmKey: undefined })

const gone = attempt('1', { ...failed, settled: 'gone' })

const outageAt = (from: number, to: number) => ({ gaps: [{ from, to }] })

function found(facts: Partial<Evidence>): Evidence {
  return {
    attempts: [],
    files: [],
    begins: [],
    lives: new Map(),
    lists: [],
    gaps: [],
    kills: [],
    openTasks: [],
    attackerResponses: new Map(),
    incidents: [],
    leaks: 0,
    sharedTasks: 0,
    ...facts,
  }
}

describe('verdict: no violation when', () => {
  test.each<[string, Partial<Evidence>]>([
    [
      'an upload that was reported as stored is stored',
      { attempts: [attempt('1')], files: [file('1')] },
    ],
    ['an upload that failed is gone', { attempts: [attempt('1', { ...failed, settled: 'gone' })] }],
    [
      'an upload that failed is stored, and its final status says so',
      { attempts: [attempt('1', failed)], files: [file('1')] },
    ],
    [
      'a begin without a response left an upload open',
      {
        attempts: [attempt('1', unanswered)],
        begins: [begin({ requests: [lostRequest], created: 0, lost: 1 })],
        openTasks: [openTask],
      },
    ],
    [
      'a gateway was killed before it kept the outcome of a begin',
      {
        attempts: [attempt('1', unanswered)],
        begins: [begin({ requests: [lostRequest] })],
        kills: [3000],
        openTasks: [openTask],
      },
    ],
    [
      'Redis lost a begin whose response was lost',
      {
        attempts: [attempt('1', unanswered)],
        begins: [begin({ requests: [lostRequest] })],
        ...outageAt(9000, 9500),
        openTasks: [openTask],
      },
    ],
    [
      'a repeated begin returned the same upload',
      { attempts: [gone], begins: [begin({ requests: [request(), request({ sentAt: 2500 })] })] },
    ],
    [
      'a repeated begin returned another upload during an outage of Redis',
      {
        attempts: [gone],
        begins: [begin({ requests: [request(), request({ confirmKey: 'key 2' })], created: 2 })],
        ...outageAt(1500, 1600),
      },
    ],
    [
      'a repeated begin of a simple upload returned another upload',
      {
        attempts: [gone],
        begins: [
          begin({
            ...{ method: 'simple', created: 2 },
            requests: [request(), request({ sentAt: 2500, confirmKey: 'key 2' })],
          }),
        ],
      },
    ],
    ['a list has the open upload', { attempts: [gone], lives: livesWith(), lists: [list()] }],
    [
      'a list lacks an upload that its user was ending',
      {
        ...{ attempts: [gone], lives: livesWith({ endSentAt: 4500 }) },
        lists: [list({ uploads: [] })],
      },
    ],
    [
      'a list lacks a simple upload that an earlier request may have replaced',
      {
        attempts: [gone],
        lives: livesWith({
          begin: begin({
            method: 'simple',
            requests: [{ ...lostRequest, sentAt: 900 }, request()],
          }),
        }),
        lists: [list({ uploads: [] })],
      },
    ],
    [
      'a list lacks an open upload after an outage of Redis',
      {
        ...{ attempts: [gone], lives: livesWith(), lists: [list({ uploads: [] })] },
        ...outageAt(3000, 3500),
      },
    ],
    [
      'a list still has an upload that ended during an outage of Redis',
      {
        ...{ attempts: [gone], lives: livesWith({ endedAt: 3000 }), lists: [list()] },
        ...outageAt(2900, 3100),
      },
    ],
    [
      "another device began a simple upload again, so the first device's key is gone",
      {
        attempts: [
          attempt('1', {
            confirmKeys: new Set(['key 1', 'key 2']),
            errorCodesAfterStored: ['upload_not_found'],
          }),
        ],
        files: [file('1')],
      },
    ],
    [
      'a later upload replaced the file with permission',
      {
        attempts: [attempt('1'), attempt('2', { wanted: { strategy: 'overwrite' }, storedAt: 3 })],
        files: [file('2')],
      },
    ],
  ])('%s', (_what, facts) => {
    expect(judge(found(facts)).violations).toEqual([])
  })
})

describe('verdict: a violation when', () => {
  const one = attempt('1')
  test.each<[string, Partial<Evidence>]>([
    ['an upload that was reported as stored has no file', { attempts: [one] }],
    ['an upload is stored twice', { attempts: [one], files: [file('1'), file('1')] }],
    ['the stored bytes differ', { attempts: [one], files: [file('1', { sha256: 'bb' })] }],
    [
      'the file belongs to another user',
      { attempts: [one], files: [file('1', { userId: 'bob' })] },
    ],
    [
      'the stored path differs from the reported path',
      { attempts: [one], files: [file('1', { path: ['users', 'ann', 'a', 'g.bin'] })] },
    ],
    [
      "the file is outside every user's folder",
      { attempts: [one], files: [file('1', { path: ['ann', 'ann', 'a', 'f.bin'] })] },
    ],
    [
      'two users share a folder',
      {
        attempts: [one, attempt('2', { wanted: { user: 'bob' } })],
        files: [file('1'), file('2', { userId: 'bob' })],
      },
    ],
    ['a file belongs to no upload', { files: [file(undefined)] }],
    [
      'the response has the checksum of another file',
      {
        attempts: [attempt('1', { stored: [{ path: ['a', 'f.bin'], crc64: '18', size: 5 }] })],
        files: [file('1')],
      },
    ],
    [
      'two responses name two files',
      {
        attempts: [
          attempt('1', { stored: [...one.stored, { path: ['a', 'g.bin'], crc64: '17', size: 5 }] }),
        ],
        files: [file('1')],
      },
    ],
    [
      'a response says "stored", and a later one "not found"',
      {
        attempts: [attempt('1', { errorCodesAfterStored: ['upload_not_found'] })],
        files: [file('1')],
      },
    ],
    [
      'an upload that was reported as gone has a file',
      { attempts: [attempt('1', { ...failed, settled: 'gone' })], files: [file('1')] },
    ],
    [
      'an upload has no definite outcome',
      { attempts: [attempt('1', { ...failed, settled: undefined })] },
    ],
    [
      'the gateway answered internal_error',
      { attempts: [attempt('1', { ...failed, settled: 'gone', errorCodes: ['internal_error'] })] },
    ],
    [
      'only an earlier upload could have replaced the file',
      {
        attempts: [
          attempt('1', { beganAt: 9 }),
          attempt('2', { wanted: { strategy: 'overwrite' }, storedAt: 3 }),
        ],
        files: [file('2')],
      },
    ],
    [
      'an upload is still open that a response named',
      {
        attempts: [gone],
        begins: [begin({ lost: 1 })],
        openTasks: [{ ...openTask, isNamed: true }],
      },
    ],
    [
      'an upload is open that no user knows, and no failure explains it',
      {
        attempts: [attempt('1', unanswered)],
        begins: [begin({ requests: [lostRequest] })],
        openTasks: [openTask],
      },
    ],
    [
      'more uploads are open than failures explain',
      {
        attempts: [attempt('1', unanswered)],
        begins: [begin({ requests: [lostRequest], created: 1, lost: 1 })],
        openTasks: [openTask, openTask],
      },
    ],
    [
      'an upload is open, and Redis was away only after its begin was answered',
      { attempts: [gone], begins: [begin()], ...outageAt(9000, 9500), openTasks: [openTask] },
    ],
    [
      'an open upload holds parts',
      {
        attempts: [attempt('1', unanswered)],
        begins: [begin({ requests: [lostRequest], created: 0, lost: 1 })],
        openTasks: [{ ...openTask, parts: 2 }],
      },
    ],
    [
      'one Idempotency-Key returns two uploads',
      {
        attempts: [gone],
        begins: [begin({ requests: [request(), request({ confirmKey: 'key 2' })] })],
      },
    ],
    [
      'one Idempotency-Key creates two uploads in SMH',
      { attempts: [gone], begins: [begin({ created: 2 })] },
    ],
    [
      'a begin succeeds again after the end of its upload',
      {
        attempts: [one],
        files: [file('1')],
        begins: [begin({ requests: [request(), request({ sentAt: 9000, answeredAt: 9100 })] })],
        lives: livesWith({ endedAt: 8000 }),
      },
    ],
    [
      "a list has another user's upload",
      { attempts: [gone], lives: livesWith({ user: 'bob' }), lists: [list()] },
    ],
    [
      'a list has an upload that its user never began',
      {
        attempts: [gone],
        lists: [list({ uploads: [{ confirmKey: 'key 9', path: ['b.bin'], size: 5 }] })],
      },
    ],
    [
      'a list has an upload twice',
      {
        attempts: [gone],
        lives: livesWith(),
        lists: [list({ uploads: [...list().uploads, ...list().uploads] })],
      },
    ],
    [
      'a list has an upload that has ended',
      { attempts: [gone], lives: livesWith({ endedAt: 3000 }), lists: [list()] },
    ],
    [
      'a list lacks a simple upload',
      {
        attempts: [gone],
        lives: livesWith({ begin: begin({ method: 'simple' }) }),
        lists: [list({ uploads: [] })],
      },
    ],
    [
      'a list lacks an open upload',
      { attempts: [gone], lives: livesWith(), lists: [list({ uploads: [] })] },
    ],
    ["another user's key worked", { attackerResponses: new Map([['success', 1]]) }],
    ["SMH received a call for another user's upload", { sharedTasks: 1 }],
    ['a secret appears in the output', { leaks: 1 }],
    ['a gateway ended unexpectedly', { incidents: ['a gateway ended unexpectedly: 1'] }],
  ])('%s', (_what, facts) => {
    expect(judge(found(facts)).violations.length).toBeGreaterThan(0)
  })
})
