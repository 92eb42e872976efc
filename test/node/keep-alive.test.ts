import { expect, onTestFinished, test, vi } from 'vitest'
import { startHarness } from '../support/harness.ts'

test('keep-alive: a provided token that cannot be renewed is logged each minute, without any request', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const token = 'canary-of-a-token'
  const harness = await startHarness({
    environment: { SMH_ACCESS_TOKEN: token, CONFIRM_KEY_SECRETS: 'c'.repeat(32) },
  })
  const logged = await harness.records()
  const untilLogged = async (times: number) => {
    while (logged.length < times) await new Promise((resolve) => setImmediate(resolve))
  }
  await untilLogged(1)
  vi.advanceTimersByTime(60_000)
  await untilLogged(2)
  const record = {
    level: 'error',
    event: 'access_token_not_renewed',
    smhCode: 'InvalidAccessToken',
  }
  expect(logged).toMatchObject([record, record])
  expect(JSON.stringify(logged)).not.toContain(token)
})
