import { afterEach, describe, expect, test, vi } from 'vitest'
import { UploadError, type UploadErrorDetails } from '../../../src/client/errors.ts'
import { createRetrying } from '../../../src/client/retry.ts'
import type { RetryOptions } from '../../../src/client/types.ts'

const { signal } = new AbortController()

function rehearsal(options: RetryOptions = {}) {
  const waits: number[] = []
  const retrying = createRetrying(options, async (ms) => {
    waits.push(ms)
  })
  return { retrying, waits }
}

/** Work that fails `times` times and then resolves to the number of its calls. */
function failing(times: number, details: UploadErrorDetails = { retryable: true }) {
  let calls = 0
  return async () => {
    calls += 1
    if (calls <= times) throw new UploadError('network', `fault ${calls}`, details)
    return calls
  }
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

test('retry: temporary errors are retried with growing waits', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const { retrying, waits } = rehearsal({ firstDelayMs: 100, longestDelayMs: 1000 })
  expect(await retrying(failing(6), { signal })).toBe(7)
  expect(waits).toEqual([50, 100, 200, 400, 500, 500])
})

test('retry: permanent errors are not retried', async () => {
  const { retrying, waits } = rehearsal()
  await expect(retrying(failing(1, {}), { signal })).rejects.toThrow('fault 1')
  const broken = () => Promise.reject(new RangeError('a defect'))
  await expect(retrying(broken, { signal })).rejects.toThrow('a defect')
  expect(waits).toEqual([])
})

test('retry: progress resets the count of attempts', async () => {
  const { retrying } = rehearsal({ attempts: 3 })
  await expect(retrying(failing(9), { signal })).rejects.toThrow('fault 3')
  let parts = 0
  // Progress happens before every second error.
  const progress = () => Math.floor(++parts / 4)
  expect(await retrying(failing(9), { signal, progress })).toBe(10)
})

test('retry: waits for the Retry-After of the response', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0)
  const { retrying, waits } = rehearsal()
  const asked = failing(1, { retryable: true, retryAfterMs: 7000 })
  await retrying(asked, { signal })
  await retrying(failing(1, { retryable: true, retryAfterMs: 1e12 }), { signal })
  expect(waits).toEqual([7000, 3_600_000])
})

test('retry: an aborted signal ends the wait', async () => {
  const controller = new AbortController()
  const retrying = createRetrying({}, async (_ms, signal) => {
    controller.abort(new Error('enough'))
    signal.throwIfAborted()
  })
  await expect(retrying(failing(9), { signal: controller.signal })).rejects.toThrow('enough')
  await expect(retrying(failing(0), { signal: controller.signal })).rejects.toThrow('enough')
})

describe('retry: while the browser is offline', () => {
  function offline() {
    const network = new EventTarget()
    const navigator = { onLine: false }
    vi.stubGlobal('navigator', navigator)
    vi.stubGlobal('addEventListener', network.addEventListener.bind(network))
    vi.stubGlobal('removeEventListener', network.removeEventListener.bind(network))
    const heard = vi.fn()
    network.addEventListener('online', heard)
    return {
      back() {
        navigator.onLine = true
        network.dispatchEvent(new Event('online'))
      },
    }
  }

  test('it waits for the network and continues automatically', async () => {
    const { back } = offline()
    const { retrying, waits } = rehearsal({ attempts: 1 })
    const work = vi.fn(failing(1))
    const result = retrying(work, { signal })
    await expect.poll(() => work.mock.calls.length).toBe(1)
    back()
    expect(await result).toBe(2)
    expect(waits).toEqual([])
  })

  test('it still retries at intervals, because the browser may be wrong', async () => {
    offline()
    const { retrying } = rehearsal({ attempts: 1, longestDelayMs: 1 })
    expect(await retrying(failing(20), { signal })).toBe(21)
  })

  test('it can be aborted', async () => {
    offline()
    const controller = new AbortController()
    const { retrying } = rehearsal()
    const work = vi.fn(failing(1))
    const result = retrying(work, { signal: controller.signal })
    await expect.poll(() => work.mock.calls.length).toBe(1)
    controller.abort(new Error('enough'))
    await expect(result).rejects.toThrow('enough')
  })
})
