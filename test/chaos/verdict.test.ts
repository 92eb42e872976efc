import { describe, expect, test } from 'vitest'
import type { Evidence, FoundFile } from './evidence.ts'
import type { Attempt } from './journal.ts'
import { judge } from './verdict.ts'

const print = { size: 5, sha256: 'aa', crc64: '17' }

type Facts = Partial<Omit<Attempt, 'wanted'>> & { wanted?: Partial<Attempt['wanted']> }

function attempt(id: string, facts: Facts = {}): Attempt {
  return {
    id,
    content: { content: 0, size: 5 },
    confirmKey: `key ${id}`,
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

const unanswered = { ...failed, confirmKey: undefined, settled: undefined, lostBegins: 1 }

function found(facts: Partial<Evidence>): Evidence {
  return {
    attempts: [],
    files: [],
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
        openTasks: [{ userId: 'ann', path: ['users', 'ann', 'a', 'f.bin'], parts: 0 }],
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
      'an upload is still open although its begin got a response',
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
    ["another user's key worked", { attackerResponses: new Map([['success', 1]]) }],
    ["SMH received a call for another user's upload", { sharedTasks: 1 }],
    ['a secret appears in the output', { leaks: 1 }],
    ['a gateway ended unexpectedly', { incidents: ['a gateway ended unexpectedly: 1'] }],
  ])('%s', (_what, facts) => {
    expect(judge(found(facts)).violations.length).toBeGreaterThan(0)
  })
})
