import { expect, test } from 'vitest'
import type { Refusal } from '../../../../src/gateway/smh/smh-error.ts'
import {
  concernsAllUsers,
  endAfterUse,
  isUsable,
  needsRenewal,
} from '../../../../src/gateway/smh/token-decision.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

test.each([
  // idle time, time left, usable, needs renewal
  [HOUR, HOUR, true, false],
  [HOUR, HOUR / 2 + 1, true, false],
  [HOUR, HOUR / 2, true, true],
  [HOUR, 6 * MINUTE + 1, true, true],
  [HOUR, 6 * MINUTE, false, true],
  [HOUR, 0, false, true],
  [5 * MINUTE, MINUTE + 1, true, true],
  [5 * MINUTE, MINUTE, false, true],
])(
  'SMH token with an idle time of %i ms and %i ms left: usable %s, needs renewal %s',
  (idleMs, left, usable, renewal) => {
    const now = 10 * HOUR
    const times = { idleMs, endsAt: now + left }
    expect([isUsable(times, now), needsRenewal(times, now)]).toEqual([usable, renewal])
  },
)

test('SMH token: each use extends its lifetime, and a late result does not shorten it', () => {
  expect(endAfterUse({ idleMs: HOUR, endsAt: HOUR }, MINUTE)).toBe(HOUR + MINUTE)
  expect(endAfterUse({ idleMs: HOUR, endsAt: 5 * HOUR }, MINUTE)).toBe(5 * HOUR)
})

test.each([
  ['WrongLibraryIdOrSecret', true],
  ['LibraryNotFound', true],
  ['InvalidAccessToken', true],
  ['SpaceNotFound', false],
  ['UploadNotFound', false],
  [undefined, false],
])('SMH token: a mint refused with %s concerns all users: %s', (code, expected) => {
  const refusal: Refusal = {
    kind: 'refused',
    status: 403,
    code,
    requestId: undefined,
    retryAfterSeconds: undefined,
  }
  expect(concernsAllUsers(refusal)).toBe(expected)
})
