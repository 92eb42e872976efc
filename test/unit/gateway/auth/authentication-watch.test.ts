import { describe, expect, test } from 'vitest'
import type { User } from '../../../../src/gateway/auth/authenticate.ts'
import {
  suspectedFault,
  watchAuthentication,
} from '../../../../src/gateway/auth/authentication-watch.ts'
import { GatewayError } from '../../../../src/gateway/errors.ts'
import type { LogReason } from '../../../../src/gateway/log-record.ts'
import {
  invalidTokenReasons,
  type LogLevel,
  type LogRecord,
  noMetrics,
} from '../../../../src/gateway/ports.ts'

describe('authentication watch: the suspected cause', () => {
  test.each([
    [{ good: 0, refused: 10, tokens: 5 }, 'error'],
    [{ good: 0, refused: 1_000, tokens: 5 }, 'error'],
    [{ good: 1, refused: 10, tokens: 5 }, 'warn'],
    [{ good: 25, refused: 100, tokens: 5 }, 'warn'],
    [{ good: 26, refused: 100, tokens: 5 }, undefined],
    [{ good: 1_000, refused: 100, tokens: 5 }, undefined],
    [{ good: 0, refused: 9, tokens: 5 }, undefined],
    [{ good: 0, refused: 1_000, tokens: 4 }, undefined],
    [{ good: 0, refused: 0, tokens: 0 }, undefined],
  ])('%j: %s', (counts, level) => {
    expect(suspectedFault(counts)).toBe(level)
  })
})

/** A watch over an `authenticate` that says what the test has it say, with a clock of its own. */
function startWatch() {
  let now = 0
  let verdict: LogReason | 'missing_token' | undefined
  const counted: string[] = []
  const logged: (LogRecord & { level: LogLevel })[] = []
  const authenticate = watchAuthentication({
    authenticate: async () => {
      if (verdict === undefined) return {} as User
      const details = verdict === 'missing_token' ? {} : { reason: verdict }
      const code = verdict === 'missing_token' ? verdict : 'invalid_token'
      throw new GatewayError(code, 'No.', details)
    },
    monotonicClock: () => now,
    log: (level, record) => logged.push({ level, ...record }),
    metrics: { ...noMetrics, authenticationFailed: (reason) => counted.push(reason) },
  })
  return {
    counted,
    logged,
    advance(ms: number) {
      now += ms
    },
    async send(
      count: number,
      reason?: typeof verdict,
      token = (index: number) => `Bearer ${index}`,
    ) {
      verdict = reason
      for (let index = 0; index < count; index += 1) {
        await Promise.resolve(authenticate(token(index), () => {})).catch(() => {})
      }
    },
  }
}

test('authentication watch: every 401 is counted by its reason', async () => {
  const { send, counted } = startWatch()
  await send(1)
  for (const reason of ['missing_token', ...invalidTokenReasons] as const) await send(1, reason)
  expect(counted).toEqual(['missing_token', ...invalidTokenReasons])
})

test.each(['audience', 'issuer', 'expired', 'not_yet_valid'] as const)(
  'authentication watch: many refused tokens with reason %s are logged once a minute, with advice',
  async (reason) => {
    const { send, logged, advance } = startWatch()
    await send(100, reason)
    advance(59_999)
    await send(100, reason)
    expect(logged).toEqual([
      { level: 'error', event: 'tokens_refused', reason, count: 10, advice: expect.any(String) },
    ])
    advance(1)
    await send(100, reason)
    expect(logged).toHaveLength(2)
  },
)

test('authentication watch: tokens without a valid signature are counted and not logged', async () => {
  const { send, logged } = startWatch()
  for (const reason of [
    'malformed',
    'signature',
    'unknown_key',
    'missing_token',
    'claims',
  ] as const) {
    await send(100, reason)
  }
  expect(logged).toEqual([])
})

test('authentication watch: repeats of a few tokens are not logged', async () => {
  const { send, logged } = startWatch()
  await send(100, 'expired', (index) => `Bearer ${index % 4}`)
  expect(logged).toEqual([])
})

test('authentication watch: a few invalid tokens among valid ones are not logged, and counts end after a minute', async () => {
  const { send, logged, advance } = startWatch()
  await send(10)
  await send(39, 'expired')
  expect(logged).toEqual([])
  advance(60_000)
  await send(9, 'expired')
  expect(logged).toEqual([])
  await send(1)
  await send(1, 'expired')
  expect(logged).toMatchObject([{ level: 'warn', count: 10 }])
})
