import { expect, onTestFinished, test, vi } from 'vitest'
import { HttpClientError } from '../../../../src/gateway/http-client.ts'
import { noMetrics } from '../../../../src/gateway/ports.ts'
import { createSmhTransport } from '../../../../src/gateway/smh/transport.ts'

test('SMH transport: no request is sent after the deadline', async () => {
  let sent = 0
  const send = createSmhTransport(
    'http://smh.example',
    1000,
    {
      async request() {
        sent += 1
        return { status: 200, header: () => undefined, text: '{}' }
      },
    },
    noMetrics,
  )
  const request = {
    operation: 'begin',
    method: 'POST',
    path: '/x',
    query: {},
    repeatable: false,
  } as const
  await send(request, { deadline: performance.now() + 1000 })
  const late = send(request, { deadline: performance.now() - 1 })
  await expect(late).rejects.toMatchObject({ failure: { kind: 'timeout', cause: 'deadline' } })
  expect(sent).toBe(1)
})

test.each([
  ['when it was due', 10_000, 'smh'],
  ['less than a second late', 10_900, 'smh'],
  ['long after it was due, because the machine was suspended', 12_000, 'machine'],
])(
  'SMH transport: a timeout whose timer fires %s names its cause',
  async (_, firedAfter, cause) => {
    let now = 1_000
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
    onTestFinished(() => clock.mockRestore())
    const send = createSmhTransport(
      'http://smh.example',
      10_000,
      {
        async request() {
          now += firedAfter
          throw new HttpClientError('timeout')
        },
      },
      noMetrics,
    )
    const request = {
      operation: 'x',
      method: 'GET',
      path: '/x',
      query: {},
      repeatable: true,
    } as const
    await expect(send(request, { deadline: 100_000 })).rejects.toMatchObject({
      failure: { kind: 'timeout', cause },
    })
  },
)
