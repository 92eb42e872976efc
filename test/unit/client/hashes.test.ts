import { describe, expect, test, vi } from 'vitest'
import { hashFile } from '../../../src/client/hash-file.ts'
import { beginningHash, fullHash } from '../../../src/client/hashes.ts'

const MIB = 1024 * 1024
const { signal } = new AbortController()
const zeros = new Blob([new Uint8Array(MIB)])
const manyA = new Blob(['a'.repeat(2_097_162)])
const ofZeros = '30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58'
const ofManyA = 'b2570d481fcf044769490e0d1af438817093cda8c31d6c838767bfa2db63bb93'

describe('hashes of SMH', () => {
  test.each([
    ['beginning of 1 MiB of zeros', () => beginningHash(zeros, signal), ofZeros],
    ['whole of 1 MiB of zeros', () => fullHash(zeros, signal), ofZeros],
    [
      'beginning of 2 MiB and 10 of a',
      () => beginningHash(manyA, signal),
      '9bc1b2a288b26af7257a36277ae3816a7d4f16e89c1e7e77d0a5c48bad62b360',
    ],
    [
      'first two MiB of a',
      () => fullHash(manyA.slice(0, 2 * MIB), signal),
      'ccc433235c7b619660466cab74501a0dfed94dd2343b197f62fe3e0fd2b78278',
    ],
    ['whole of 2 MiB and 10 of a', () => fullHash(manyA, signal), ofManyA],
  ])('%s', async (_what, hash, expected) => {
    expect(await hash()).toBe(expected)
  })

  test('do not depend on the chunks of the stream', async () => {
    const bytes = new Uint8Array(await manyA.arrayBuffer())
    const cuts = [0, 1, 777_778, 777_779, 2 * MIB - 1, bytes.length]
    const pieces = cuts.slice(1).map((end, index) => bytes.slice(cuts[index], end))
    expect(await fullHash(new Blob(pieces), signal)).toBe(ofManyA)
  })
})

describe('hashFile', () => {
  /** A worker that handles a message with `answer`. */
  function workerThat(answer: (worker: EventTarget, file: Blob) => void) {
    const worker = Object.assign(new EventTarget(), {
      terminate: vi.fn(),
      postMessage: ({ file }: { file: Blob }) => answer(worker, file),
    })
    return { worker, start: () => worker as unknown as Worker }
  }
  const message = (data: unknown) => Object.assign(new Event('message'), { data })

  test('uses the worker and terminates it', async () => {
    const { worker, start } = workerThat((worker) => worker.dispatchEvent(message({ hash: 'h' })))
    expect(await hashFile(manyA, start, signal)).toBe('h')
    expect(worker.terminate).toHaveBeenCalledOnce()
  })

  test.each([
    ['fails', (worker: EventTarget) => worker.dispatchEvent(new Event('error'))],
    ['cannot read the file', (worker: EventTarget) => worker.dispatchEvent(message({}))],
    [
      'cannot start',
      () => {
        throw new Error('forbidden by the policy')
      },
    ],
  ])('hashes in this thread when the worker %s', async (_what, answer) => {
    expect(await hashFile(manyA, workerThat(answer).start, signal)).toBe(ofManyA)
  })

  test('terminates the worker on abort', async () => {
    const controller = new AbortController()
    const { worker, start } = workerThat(() => controller.abort(new Error('enough')))
    await expect(hashFile(manyA, start, controller.signal)).rejects.toThrow('enough')
    expect(worker.terminate).toHaveBeenCalledOnce()
  })

  test('hash-worker.ts posts the hash of a file', async () => {
    const scope = new EventTarget()
    vi.stubGlobal('addEventListener', scope.addEventListener.bind(scope))
    const answered = new Promise((resolve) => vi.stubGlobal('postMessage', resolve))
    await import('../../../src/client/hash-worker.ts')
    scope.dispatchEvent(message({ file: manyA }))
    expect(await answered).toEqual({ hash: ofManyA })
    vi.unstubAllGlobals()
  })
})
