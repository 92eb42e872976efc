import { describe, expect, test } from 'vitest'
import type { UploadClientOptions, UploadState } from '../../src/client/types.ts'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { beyond, pausedUpload, uploadClient } from '../support/upload-client.ts'

/** The name of each state, with the reason of a wait. */
function watch() {
  const seen: string[] = []
  const states: UploadState[] = []
  const onState = (state: UploadState) => {
    states.push(state)
    seen.push(state.name === 'waiting' ? `waiting ${state.reason}` : state.name)
  }
  return { seen, states, onState }
}

async function startUpload(
  options: Partial<UploadClientOptions> = {},
  prepare: (harness: Awaited<ReturnType<typeof startHarness>>) => void = () => {},
  bytes = 1,
) {
  const harness = await startHarness()
  prepare(harness)
  const watching = watch()
  const client = uploadClient(harness, options)
  const { onState } = watching
  const upload = client.upload(new Blob([someBytes(bytes)]), { path: 'a.bin', onState })
  return { harness, client, upload, ...watching }
}

test('states: reported in order, the final one before `done`', async () => {
  const { upload, seen, states } = await startUpload({}, undefined, 3 * MiB)
  expect(upload.state).toEqual({ name: 'preparing' })
  const file = await upload.done
  expect(seen).toEqual(['preparing', 'uploading', 'completing', 'stored'])
  expect(states.at(-1)).toEqual({ name: 'stored', file })
  expect(upload.state).toEqual({ name: 'stored', file })
})

test('states: a failed upload ends in `failed` with its error', async () => {
  const { upload, seen } = await startUpload({}, ({ emulator }) =>
    emulator.controls.setQuota('-', 0),
  )
  const error = await upload.done.catch((error) => error)
  expect(error).toMatchObject({ code: 'quota_exceeded' })
  expect(seen).toEqual(['preparing', 'failed'])
  expect(upload.state).toEqual({ name: 'failed', error })
})

test('states: an aborted upload ends in `aborted`, and no state follows', async () => {
  const { upload, seen } = await startUpload({}, undefined, 3 * MiB)
  await upload.abort()
  await expect(upload.done).rejects.toMatchObject({ code: 'aborted' })
  expect(seen.at(-1)).toBe('aborted')
  upload.pause()
  expect(upload.state).toEqual({ name: 'aborted' })
})

test('states: pause and resume are reported', async () => {
  const harness = await startHarness()
  const { seen, onState } = watch()
  const it = uploadClient(harness, { partsInParallel: 1 }).upload(new Blob([someBytes(4 * MiB)]), {
    path: 'a.bin',
    onState,
    onProgress: beyond(MiB, () => {
      it.pause()
      it.resume()
    }),
  })
  await it.done
  expect(seen).toEqual(['preparing', 'uploading', 'paused', 'uploading', 'completing', 'stored'])
})

test('states: a resumed upload has the same states', async () => {
  const harness = await startHarness()
  const file = new Blob([someBytes(2 * MiB)])
  const { confirmKey = '' } = await pausedUpload(uploadClient(harness), file, { path: 'a.bin' })
  const { seen, onState } = watch()
  await uploadClient(harness).resume(confirmKey, file, { onState }).done
  expect(seen).toEqual(['preparing', 'uploading', 'completing', 'stored'])
})

test('states: an onState that throws ends the upload with its error', async () => {
  const harness = await startHarness()
  const fault = new RangeError('No such element.')
  const { done } = uploadClient(harness).upload(new Blob(['x']), {
    path: 'a',
    onState({ name }) {
      if (name === 'uploading') throw fault
    },
  })
  await expect(done).rejects.toBe(fault)
})

describe('states: the reason of a wait:', () => {
  test('a busy COS, with the time of the next attempt', async () => {
    const headers = { 'Retry-After': '7' }
    const before = Date.now()
    const { upload, seen, states } = await startUpload({}, ({ emulator }) =>
      emulator.controls.force('put-object', { status: 503, code: 'SlowDown', headers }),
    )
    await upload.done
    const order = ['preparing', 'uploading', 'waiting server_busy', 'uploading', 'completing']
    expect(seen).toEqual([...order, 'stored'])
    const waiting = states.find(({ name }) => name === 'waiting')
    expect(waiting).toMatchObject({ retryAt: expect.any(Number) })
    const { retryAt = 0 } = waiting as { retryAt?: number }
    expect(retryAt - before).toBeGreaterThanOrEqual(7000)
  })

  test('the rate limit of any operation', async () => {
    const refused = new Set<string>()
    const limiting: typeof fetch = async (target, init) => {
      const call = String(target).split('/').at(-1) ?? ''
      if (!/^(uploads|complete)$/.test(call) || refused.has(call)) return fetch(target, init)
      refused.add(call)
      const problem = { status: 429, code: 'rate_limited', detail: 'Wait.', requestId: 'r1' }
      const headers = { 'Retry-After': '3' }
      return new Response(JSON.stringify(problem), { status: 429, headers })
    }
    const { upload, seen, client } = await startUpload({ fetch: limiting })
    await upload.done
    expect(seen).toEqual([
      'preparing',
      'waiting rate_limit',
      'preparing',
      'uploading',
      'completing',
      'waiting rate_limit',
      'completing',
      'stored',
    ])
    expect(client.waits.every((ms) => ms >= 3000)).toBe(true)
  })

  test('the network, without a change at each attempt', async () => {
    let left = 2
    const failing: typeof fetch = (target, init) => {
      const isPart = String(target).includes('partNumber')
      return isPart && left-- > 0 ? Promise.reject(new TypeError('failed')) : fetch(target, init)
    }
    const { upload, seen } = await startUpload({ fetch: failing }, undefined, 2 * MiB)
    await upload.done
    const distinct = seen.filter((state, index) => state !== seen[index - 1])
    expect(distinct).toEqual([
      'preparing',
      'uploading',
      'waiting network',
      'uploading',
      'completing',
      'stored',
    ])
  })

  test.each([
    ['of parts', 'put-part', 2 * MiB],
    ['of a simple upload', 'put-object', 1],
  ] as const)('new credentials %s', async (_what, route, bytes) => {
    const { upload, seen } = await startUpload(
      { partsInParallel: 1 },
      ({ emulator }) => emulator.controls.force(route, { status: 403, code: 'AccessDenied' }),
      bytes,
    )
    await upload.done
    expect(seen).toEqual([
      'preparing',
      'uploading',
      'waiting credentials',
      'uploading',
      'completing',
      'stored',
    ])
  })

  test('none while other parts make progress', async () => {
    const { fetch, release } = holdingParts(/partNumber=[23]/)
    const during: UploadState[] = []
    const { upload } = await startUpload(
      {
        partsInParallel: 3,
        fetch,
        wait: async () => {
          during.push(upload.state)
          release()
        },
      },
      ({ emulator }) => emulator.controls.force('put-part', { status: 503, match: isFirstPart }),
      3 * MiB,
    )
    await upload.done
    expect(during).toEqual([{ name: 'uploading' }])
  })
})

const isFirstPart = ({ query }: { query: Record<string, string> }) => query.partNumber === '1'

/** A fetch that holds the responses to these parts. */
function holdingParts(which: RegExp) {
  const { promise, resolve: release } = Promise.withResolvers<void>()
  const fetch: typeof globalThis.fetch = async (target, init) => {
    const response = await globalThis.fetch(target, init)
    if (which.test(String(target))) await promise
    return response
  }
  return { fetch, release }
}
