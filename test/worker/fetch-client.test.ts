import { expect, onTestFinished, test, vi } from 'vitest'
import { fetchClient } from '../../src/gateway/runtimes/shared/fetch-client.ts'

/** Answers every call with `status`, and gives what `fetch` was asked. */
function answerWith(status: number) {
  const asked: RequestInit[] = []
  vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
    asked.push(init)
    return new Response('', { status })
  })
  onTestFinished(() => void vi.unstubAllGlobals())
  return asked
}

const call = { method: 'GET', url: 'https://smh.example/clip.mp4', timeoutMs: 5000 } as const

test('fetch client: uses no cache, and follows no redirect', async () => {
  const asked = answerWith(302)
  expect((await fetchClient.request(call)).status).toBe(302)
  expect(asked).toMatchObject([{ cache: 'no-store', redirect: 'manual' }])
})

test.each([521, 523, 525, 526, 530])(
  'fetch client: status %i of the network means connect_failed',
  async (status) => {
    answerWith(status)
    await expect(fetchClient.request(call)).rejects.toMatchObject({ kind: 'connect_failed' })
  },
)

test.each([520, 522, 524])(
  'fetch client: status %i does not mean connect_failed',
  async (status) => {
    answerWith(status)
    expect((await fetchClient.request(call)).status).toBe(status)
  },
)
