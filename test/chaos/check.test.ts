import { describe, expect, test } from 'vitest'
import { judge } from './check.ts'
import type { Evidence, FoundFile } from './evidence.ts'
import type { Attempt } from './ledger.ts'

const print = { size: 5, sha256: 'aa', crc64: '17' }

type Facts = Partial<Omit<Attempt, 'wanted'>> & { wanted?: Partial<Attempt['wanted']> }

function attempt(id: string, facts: Facts = {}): Attempt {
  return {
    id,
    content: { content: 0, size: 5 },
    confirmKey: `key ${id}`,
    stored: [{ path: ['a', 'f.bin'], crc64: '17', size: 5 }],
    failures: [],
    failuresAfter: [],
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

const failed = { stored: [], storedAt: undefined, failures: ['network'] }

const unanswered = { ...failed, confirmKey: undefined, settled: undefined, lostBegins: 1 }

function found(facts: Partial<Evidence>): Evidence {
  return {
    attempts: [],
    files: [],
    openTasks: [],
    strangers: new Map(),
    faults: [],
    leaks: 0,
    sharedTasks: 0,
    ...facts,
  }
}

describe('all is well when', () => {
  test.each<[string, Partial<Evidence>]>([
    ['what was told stored is stored', { attempts: [attempt('1')], files: [file('1')] }],
    ['what failed is gone', { attempts: [attempt('1', { ...failed, settled: 'gone' })] }],
    [
      'what failed is stored, and says so in the end',
      { attempts: [attempt('1', failed)], files: [file('1')] },
    ],
    [
      'a begin that got no answer left an upload open',
      {
        attempts: [attempt('1', unanswered)],
        openTasks: [{ userId: 'ann', path: ['users', 'ann', 'a', 'f.bin'], parts: 0 }],
      },
    ],
    [
      'a later upload replaced the file, as it may',
      {
        attempts: [attempt('1'), attempt('2', { wanted: { strategy: 'overwrite' }, storedAt: 3 })],
        files: [file('2')],
      },
    ],
  ])('%s', (_what, facts) => {
    expect(judge(found(facts)).violations).toEqual([])
  })
})

describe('something is wrong when', () => {
  const one = attempt('1')
  test.each<[string, Partial<Evidence>]>([
    ['what was told stored is not there', { attempts: [one] }],
    ['it is there twice', { attempts: [one], files: [file('1'), file('1')] }],
    ['it has other bytes', { attempts: [one], files: [file('1', { sha256: 'bb' })] }],
    ["it is somebody else's", { attempts: [one], files: [file('1', { userId: 'bob' })] }],
    [
      'it is at another place than was told',
      { attempts: [one], files: [file('1', { path: ['users', 'ann', 'a', 'g.bin'] })] },
    ],
    [
      "it is in no user's folder",
      { attempts: [one], files: [file('1', { path: ['ann', 'ann', 'a', 'f.bin'] })] },
    ],
    [
      'two users share a folder',
      {
        attempts: [one, attempt('2', { wanted: { user: 'bob' } })],
        files: [file('1'), file('2', { userId: 'bob' })],
      },
    ],
    ["a file is nobody's", { files: [file(undefined)] }],
    [
      'the answer told of another file',
      {
        attempts: [attempt('1', { stored: [{ path: ['a', 'f.bin'], crc64: '18', size: 5 }] })],
        files: [file('1')],
      },
    ],
    [
      'two answers told of two files',
      {
        attempts: [
          attempt('1', { stored: [...one.stored, { path: ['a', 'g.bin'], crc64: '17', size: 5 }] }),
        ],
        files: [file('1')],
      },
    ],
    [
      'it was told stored, then something else',
      { attempts: [attempt('1', { failuresAfter: ['upload_not_found'] })], files: [file('1')] },
    ],
    [
      'what is gone is there',
      { attempts: [attempt('1', { ...failed, settled: 'gone' })], files: [file('1')] },
    ],
    [
      'the user gets no definite answer',
      { attempts: [attempt('1', { ...failed, settled: undefined })] },
    ],
    [
      'the gateway broke',
      { attempts: [attempt('1', { ...failed, settled: 'gone', failures: ['internal_error'] })] },
    ],
    [
      'an earlier upload is said to have replaced it',
      {
        attempts: [
          attempt('1', { beganAt: 9 }),
          attempt('2', { wanted: { strategy: 'overwrite' }, storedAt: 3 }),
        ],
        files: [file('2')],
      },
    ],
    [
      'an upload is open that was answered',
      {
        attempts: [attempt('1', { ...failed, settled: 'gone' })],
        openTasks: [{ userId: 'ann', path: ['users', 'ann', 'a', 'f.bin'], parts: 0 }],
      },
    ],
    [
      'an open upload holds parts',
      {
        attempts: [attempt('1', unanswered)],
        openTasks: [{ userId: 'ann', path: ['users', 'ann', 'a', 'f.bin'], parts: 2 }],
      },
    ],
    ["somebody else's key did something", { strangers: new Map([['success', 1]]) }],
    ["SMH was asked about somebody else's upload", { sharedTasks: 1 }],
    ['a secret was written', { leaks: 1 }],
    ['a gateway died by itself', { faults: ['a gateway ended by itself: 1'] }],
  ])('%s', (_what, facts) => {
    expect(judge(found(facts)).violations.length).toBeGreaterThan(0)
  })
})
