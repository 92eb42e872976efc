import { expect, test } from 'vitest'
import { noMetrics } from '../../src/deps.ts'
import { createCallSmh } from '../../src/smh/call.ts'

test('nothing is sent once the time is over', async () => {
  let sent = 0
  const callSmh = createCallSmh(
    'http://smh.example',
    1000,
    async () => {
      sent += 1
      return { status: 200, header: () => undefined, text: '{}' }
    },
    noMetrics,
  )
  const call = {
    operation: 'begin',
    method: 'POST',
    path: '/x',
    query: {},
    repeatable: false,
  } as const
  await callSmh(call, { endsAt: performance.now() + 1000 })
  const late = callSmh(call, { endsAt: performance.now() - 1 })
  await expect(late).rejects.toMatchObject({ code: 'upstream_timeout' })
  expect(sent).toBe(1)
})
