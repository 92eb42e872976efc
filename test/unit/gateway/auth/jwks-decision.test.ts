import { expect, test } from 'vitest'
import {
  decide,
  FRESH_MS,
  type JwksDecision,
  LAST_GOOD_MS,
  STALE_MS,
} from '../../../../src/gateway/auth/jwks-decision.ts'

const now = 100 * LAST_GOOD_MS
const later = now + 1

test.each<[ageMs: number | undefined, renewNotBefore: number, waitNotBefore: number, JwksDecision]>(
  [
    [undefined, 0, 0, 'fetch'],
    [undefined, later, later, 'fetch'],
    [0, 0, 0, 'serve'],
    [FRESH_MS - 1, 0, 0, 'serve'],
    [FRESH_MS, 0, 0, 'serve_and_renew'],
    [FRESH_MS, now, later, 'serve_and_renew'],
    [FRESH_MS, later, 0, 'serve'],
    [STALE_MS - 1, 0, later, 'serve_and_renew'],
    [STALE_MS, 0, 0, 'renew'],
    [STALE_MS, later, now, 'renew'],
    [STALE_MS, 0, later, 'serve'],
    [LAST_GOOD_MS - 1, 0, 0, 'renew'],
    [LAST_GOOD_MS, 0, 0, 'fetch'],
    [LAST_GOOD_MS, later, later, 'fetch'],
  ],
)(
  'jwks: keys %s ms old, renewal not before %i, wait not before %i: %s',
  (age, renew, wait, expected) => {
    const fetchedAt = age === undefined ? undefined : now - age
    const times = { renewNotBefore: renew, waitNotBefore: wait }
    expect(decide(fetchedAt, times, now)).toBe(expected)
  },
)
