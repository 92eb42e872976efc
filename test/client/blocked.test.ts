import { afterEach, describe, expect, test, vi } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { uploadClient } from '../support/upload-client.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

/** Whether this is a request to COS. The gateway's paths start with `/v1/`. */
const isForCos = (target: string | URL | Request) =>
  !new URL(String(target)).pathname.startsWith('/v1/')

/** A fetch that rejects requests for parts without a reason, as browsers do. */
const partsRefused: typeof fetch = (target, init) =>
  isForCos(target) ? Promise.reject(new TypeError('Failed to fetch')) : fetch(target, init)

describe('a bucket that no request reaches while the gateway responds', () => {
  test('fails the upload with blocked after four attempts; the message names the host', async () => {
    const harness = await startHarness()
    const client = uploadClient(harness, { fetch: partsRefused })
    const upload = client.upload(new Blob(['x']), { path: 'a' })
    const error = await upload.done.catch((error) => error)
    expect(error).toMatchObject({ code: 'blocked', retryable: true, status: undefined })
    expect(error.message).toContain(new URL(harness.emulator.cosUrl).host)
    expect(error.message).not.toContain('CORS')
    expect(client.waits).toHaveLength(3)
    expect(upload.state).toEqual({ name: 'failed', error })
  })

  test('fails the upload; the message names the origin of the page', async () => {
    vi.stubGlobal('location', new URL('https://app.example.com/uploads'))
    const harness = await startHarness()
    const { done } = uploadClient(harness, { fetch: partsRefused }).upload(new Blob(['x']), {
      path: 'a',
    })
    const error = await done.catch((error) => error)
    expect(error.code).toBe('blocked')
    expect(error.message).toContain('does not allow PUT from https://app.example.com,')
  })

  test('does not block the next upload of the client after it has recovered', async () => {
    const harness = await startHarness()
    harness.emulator.controls.cosDown(true)
    const client = uploadClient(harness, { retry: { attempts: 6 } })
    const { done } = client.upload(new Blob(['x']), { path: 'a' })
    await expect(done).rejects.toMatchObject({ retryable: true })
    harness.emulator.controls.cosDown(false)
    expect(await client.upload(new Blob(['x']), { path: 'a' }).done).toMatchObject({ name: 'a' })
  })
})

describe('an upload does not fail with blocked', () => {
  test('while the gateway is not reachable either', async () => {
    const harness = await startHarness()
    let away = false
    const failing: typeof fetch = (target, init) =>
      away ? Promise.reject(new TypeError('Failed to fetch')) : fetch(target, init)
    const client = uploadClient(harness, { fetch: failing, retry: { attempts: 8 } })
    const { done } = client.upload(new Blob(['x']), {
      path: 'a',
      onConfirmKey: () => {
        away = true
      },
    })
    await expect(done).rejects.toMatchObject({ code: 'network' })
    expect(client.waits).toHaveLength(7)
  })

  test('after COS has responded to this client', async () => {
    const harness = await startHarness()
    let refusing = false
    const failing: typeof fetch = (target, init) =>
      refusing ? partsRefused(target, init) : fetch(target, init)
    const client = uploadClient(harness, { fetch: failing, retry: { attempts: 8 } })
    await client.upload(new Blob(['x']), { path: 'a' }).done
    refusing = true
    const { done } = client.upload(new Blob(['y']), { path: 'b' })
    await expect(done).rejects.toMatchObject({ code: 'network' })
    expect(client.waits).toHaveLength(7)
  })

  test('when the network is intermittent', async () => {
    const harness = await startHarness()
    let refusals = 0
    const flapping: typeof fetch = (target, init) => {
      const isPart = String(target).includes('partNumber')
      const isStatus = init?.method === 'GET'
      if (isPart) refusals += 1
      const isAway = (isPart && refusals <= 8) || (isStatus && refusals % 2 === 0)
      return isAway ? Promise.reject(new TypeError('Failed to fetch')) : fetch(target, init)
    }
    const client = uploadClient(harness, { fetch: flapping, partsInParallel: 1 })
    const { done } = client.upload(new Blob([someBytes(MiB)]), { path: 'a' })
    expect(await done).toMatchObject({ name: 'a' })
  })
})
