import { describe, expect, test } from 'vitest'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import {
  begun,
  beyond,
  pausedUpload,
  sentNumbers,
  storedBytes,
  uploadClient,
} from '../support/upload-client.ts'

/** A fetch that holds calls of this kind until the test releases them. */
function holding(what: RegExp) {
  let letGo = () => {}
  let reached = () => {}
  const open = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const held = new Promise<void>((resolve) => {
    reached = resolve
  })
  const fetch: typeof globalThis.fetch = async (target, init) => {
    const response = await globalThis.fetch(target, init)
    if (what.test(String(target))) {
      reached()
      await open
    }
    return response
  }
  return { fetch, held, letGo }
}

describe('pause', () => {
  test('stops the parts, and resume sends only the missing ones', async () => {
    const harness = await startHarness()
    const content = someBytes(6 * MiB)
    const { upload } = uploadClient(harness, { partsInParallel: 1 })
    const paused = Promise.withResolvers<void>()
    const it = upload(new Blob([content]), {
      path: 'a.bin',
      onProgress: beyond(2 * MiB, () => {
        it.pause()
        paused.resolve()
      }),
    })
    await paused.promise
    expect(it.paused).toBe(true)
    const [task] = harness.emulator.controls.openTasks()
    expect(task?.parts.length).toBeLessThan(6)
    it.resume()
    expect(it.paused).toBe(false)
    await it.done
    const received = sentNumbers(harness)
    expect(new Set(received).size).toBe(6)
    expect(received.slice(0, 3)).toEqual([1, 2, 3])
    expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
  })

  test('before the begin sends no part until resume', async () => {
    const harness = await startHarness()
    const file = new Blob([someBytes(MiB)])
    const it = await pausedUpload(uploadClient(harness), file, { path: 'a.bin' })
    it.pause()
    expect(sentNumbers(harness)).toEqual([])
    it.resume()
    it.resume()
    expect(await it.done).toMatchObject({ name: 'a.bin' })
  })

  test('ends with abort', async () => {
    const harness = await startHarness()
    const it = await pausedUpload(uploadClient(harness), new Blob(['x']), { path: 'a' })
    await it.abort()
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })
})

describe('abort', () => {
  test('ends the upload at once and removes it from SMH', async () => {
    const harness = await startHarness()
    const { fetch, held } = holding(/partNumber=2/)
    const client = uploadClient(harness, { fetch })
    const it = client.upload(new Blob([someBytes(4 * MiB)]), { path: 'a.bin' })
    await held
    const aborted = it.abort()
    await expect(it.done).rejects.toMatchObject({ code: 'aborted', retryable: false })
    await aborted
    expect(harness.emulator.controls.openTasks()).toEqual([])
    await expect(client.status(it.confirmKey!)).rejects.toMatchObject({ code: 'upload_not_found' })
  })

  test('by a signal ends the upload and removes it from SMH', async () => {
    const harness = await startHarness()
    const controller = new AbortController()
    const it = uploadClient(harness).upload(new Blob([someBytes(4 * MiB)]), {
      path: 'a.bin',
      signal: controller.signal,
      onProgress: beyond(MiB, () => controller.abort()),
    })
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
    const openTasks = () => harness.emulator.controls.openTasks()
    await expect.poll(openTasks, { timeout: 10_000 }).toEqual([])
  })

  test('by a signal that is already aborted begins nothing', async () => {
    const harness = await startHarness()
    const signal = AbortSignal.abort()
    const it = uploadClient(harness).upload(new Blob(['x']), { path: 'a', signal })
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
    await it.abort()
    expect(harness.smhCalls('begin-multipart')).toEqual([])
  })

  test('by a signal that is already aborted removes a resumed upload', async () => {
    const harness = await startHarness()
    const file = new Blob([someBytes(MiB)])
    const { confirmKey = '' } = await pausedUpload(uploadClient(harness), file, { path: 'a.bin' })
    const it = uploadClient(harness).resume(confirmKey, file, { signal: AbortSignal.abort() })
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
    await it.abort()
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('allows a new upload of the same file at once', async () => {
    const harness = await startHarness()
    const file = new Blob([someBytes(MiB)])
    const { upload } = uploadClient(harness)
    const it = upload(file, { path: 'a.bin' })
    expect(upload(file, { path: 'a.bin' })).toBe(it)
    const dropped = it.abort()
    expect(it.aborted).toBe(true)
    const second = upload(file, { path: 'a.bin' })
    await dropped
    expect(await second.done).toMatchObject({ name: 'a.bin' })
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('during begin removes the upload that begin creates', async () => {
    const harness = await startHarness()
    const { fetch, held, letGo } = holding(/uploads$/)
    const keys: string[] = []
    const it = uploadClient(harness, { fetch }).upload(new Blob(['x']), {
      path: 'a',
      onConfirmKey: (key) => keys.push(key),
    })
    await held
    const aborted = it.abort()
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
    letGo()
    await aborted
    expect(harness.smhCalls('cancel')).toHaveLength(1)
    expect(harness.emulator.controls.openTasks()).toEqual([])
    expect(keys).toEqual([])
  })

  test('during begin removes the upload whose response was lost', async () => {
    const harness = await startHarness()
    const aborts: Promise<void>[] = []
    const losing: typeof fetch = async (target, init) => {
      const response = await fetch(target, init)
      if (!String(target).endsWith('/uploads') || aborts.length > 0) return response
      aborts.push(it.abort())
      throw new TypeError('fetch failed')
    }
    const client = uploadClient(harness, { fetch: losing })
    const it = client.upload(new Blob([someBytes(2 * MiB)]), { path: 'a', instant: false })
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
    await Promise.all(aborts)
    expect(begun(harness)).toBe(1)
    expect(harness.emulator.controls.openTasks()).toEqual([])
    expect(await client.list()).toEqual([])
  })

  test('of a stored file does nothing', async () => {
    const harness = await startHarness()
    const it = uploadClient(harness).upload(new Blob(['x']), { path: 'a' })
    await it.done
    await it.abort()
    expect(harness.smhCalls('cancel')).toEqual([])
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('of a failed upload removes its parts', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('put-object', {
      status: 451,
      code: 'UnavailableForLegalReasons',
    })
    const it = uploadClient(harness).upload(new Blob(['x']), { path: 'a' })
    await expect(it.done).rejects.toMatchObject({ code: 'cos' })
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
    await it.abort()
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('resolves when the gateway is not reachable', async () => {
    const harness = await startHarness()
    let away = false
    const failing: typeof fetch = (target, init) =>
      away ? Promise.reject(new TypeError('fetch failed')) : fetch(target, init)
    const client = uploadClient(harness, { fetch: failing })
    const it = await pausedUpload(client, new Blob(['x']), { path: 'a' })
    away = true
    await it.abort()
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
  })

  test('of an upload that is being resumed removes it', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a', size: 1 })
    const it = uploadClient(harness).resume(confirmKey, new Blob(['x']))
    await it.abort()
    await expect(it.done).rejects.toMatchObject({ code: 'aborted' })
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('by confirm key removes the upload', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a', size: 1 })
    const client = uploadClient(harness)
    await client.abort(confirmKey)
    await client.abort(confirmKey)
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })
})
