import { expect, test } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import { startGateway } from '../../src/gateway/runtimes/node/start.ts'
import { type Harness, someBytes, startHarness } from '../support/harness.ts'

/** A gateway beside the harness's own that gives requests next to no time to end. */
function startHasty({ emulator, issuer }: Harness) {
  return startGateway({
    config: parseConfig({
      ...environmentOf({ emulator, issuer }),
      PORT: '0',
    }),
    log: () => undefined,
    drainMs: 50,
  })
}

/** Resolves when SMH has a confirm before it. */
async function confirmReached(harness: Harness) {
  while (harness.smhCalls('confirm').length === 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test.each([
  ['waits', false],
  ['has left', true],
])('close: ends in time during a slow confirm whose client %s', async (_, leaves) => {
  const harness = await startHarness()
  const on = await startHasty(harness)
  const upload = await harness.uploadParts('a.bin', [someBytes(10)])
  harness.emulator.controls.force('confirm', { delayMs: 3_600_000 })
  const caller = new AbortController()
  const asked = harness.complete(upload, { on, signal: caller.signal })
  const lost = expect(asked).rejects.toThrow()
  await confirmReached(harness)
  if (leaves) caller.abort()
  await on.close()
  await lost
  // Another instance takes over.
  harness.emulator.controls.clearFaults()
  expect((await harness.complete(upload)).status).toBe(200)
})

test('close: a second call has no effect', async () => {
  const on = await startHasty(await startHarness())
  await Promise.all([on.close(), on.close()])
  await on.close()
})

test('rate limit: setting the clock back does not extend the wait', async () => {
  const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '1' } })
  const begin = async () =>
    (await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 } })).status
  expect(await begin()).toBe(201)
  harness.setClock(-8 * 3_600_000)
  expect(await begin()).toBe(429)
  harness.advance(60_000)
  expect(await begin()).toBe(201)
})
