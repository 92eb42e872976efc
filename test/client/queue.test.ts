import { describe, expect, test } from 'vitest'
import {
  createUploadQueue,
  type QueuedFile,
  type QueueOptions,
  type QueueProgress,
  resumeOpenUploads,
} from '../../src/client/queue/index.ts'
import { type Harness, MiB, someBytes, startHarness } from '../support/harness.ts'
import { begun, sentNumbers, storedBytes, uploadClient } from '../support/upload-client.ts'

const items = (...names: string[]): QueuedFile[] =>
  names.map((path) => ({ file: new Blob([`content of ${path}`]), path }))

const paths = (harness: Harness) =>
  harness.emulator.controls
    .files()
    .map(({ path }) => path.slice(2).join('/'))
    .toSorted()

async function startQueue(options: QueueOptions = {}, environment: Record<string, string> = {}) {
  const harness = await startHarness({ environment })
  const client = uploadClient(harness)
  return { harness, client, queue: createUploadQueue(client, options) }
}

describe('queue', () => {
  test('stores all files with their folders, and reports once', async () => {
    const shown: QueueProgress[] = []
    const names: string[] = []
    const { harness, queue } = await startQueue({
      onProgress: (progress) => shown.push(progress),
      onStored: ({ path }, { name }) => names.push(`${path} ${name}`),
    })
    const all = items('a/1.txt', 'a/b/2.txt', '3.txt')
    queue.add(all)
    const report = await queue.done()
    expect(report.stored.toSorted()).toEqual(['3.txt', 'a/1.txt', 'a/b/2.txt'])
    expect(report).toMatchObject({ failed: [], aborted: 0 })
    expect(names.toSorted()).toEqual(['3.txt 3.txt', 'a/1.txt 1.txt', 'a/b/2.txt 2.txt'])
    expect(paths(harness)).toEqual(['3.txt', 'a/1.txt', 'a/b/2.txt'])
    const bytes = all.reduce((sum, { file }) => sum + file.size, 0)
    const last = { totalFiles: 3, storedFiles: 3, failedFiles: 0, totalBytes: bytes }
    expect(shown.at(-1)).toEqual({ ...last, sentBytes: bytes })
    expect(shown[0]).toMatchObject({ totalFiles: 3, storedFiles: 0, totalBytes: bytes })
  })

  test('uploads at most four files at the same time, also when files are added later', async () => {
    let now = 0
    let most = 0
    const { queue } = await startQueue({
      uploadOptions: () => ({
        onState({ name }) {
          if (name === 'preparing') most = Math.max(most, ++now)
          if (name === 'stored') now -= 1
        },
      }),
      onStored({ path }) {
        if (path === '0') queue.add(items('later'))
      },
    })
    queue.add(items(...Array.from({ length: 12 }, (_, index) => String(index))))
    expect((await queue.done()).stored).toHaveLength(13)
    expect(most).toBe(4)
  })

  test('a file that fails stops no other, and retryFailed uploads it again', async () => {
    const failed: string[] = []
    const { harness, queue } = await startQueue({ onFailed: ({ path }) => failed.push(path) })
    harness.emulator.controls.force('begin-simple', {
      status: 451,
      code: 'SensitiveContentRecognized',
      match: ({ path }) => path.endsWith('/b'),
    })
    queue.add(items('a', 'b', 'c:', 'd'))
    const report = await queue.done()
    expect(report.stored.toSorted()).toEqual(['a', 'd'])
    expect(report.failed.map(({ path }) => path).toSorted()).toEqual(['b', 'c:'])
    expect(report.failed.find(({ path }) => path === 'c:')?.error).toMatchObject({
      code: 'invalid_request',
    })
    expect(failed.toSorted()).toEqual(['b', 'c:'])
    expect(queue.progress).toMatchObject({ totalFiles: 4, storedFiles: 2, failedFiles: 2 })
    queue.retryFailed()
    const again = await queue.done()
    expect(again.stored.toSorted()).toEqual(['a', 'b', 'd'])
    expect(again.failed.map(({ path }) => path)).toEqual(['c:'])
    expect(queue.progress).toMatchObject({
      totalFiles: 4,
      totalBytes: totalOf(['a', 'b', 'c:', 'd']),
    })
  })

  test('pause starts no file until resume', async () => {
    const { harness, queue } = await startQueue()
    queue.pause()
    queue.add(items('a', 'b'))
    expect(queue.paused).toBe(true)
    expect(queue.progress).toMatchObject({ totalFiles: 2, storedFiles: 0 })
    queue.resume()
    expect((await queue.done()).stored).toHaveLength(2)
    expect(paths(harness)).toEqual(['a', 'b'])
  })

  test('pause pauses the files that upload', async () => {
    const states: string[] = []
    const { queue } = await startQueue({
      uploadOptions: () => ({
        onState: ({ name }) => states.push(name),
        onConfirmKey() {
          queue.pause()
          queue.resume()
        },
      }),
    })
    queue.add([{ file: new Blob([someBytes(2 * MiB)]), path: 'a' }])
    expect((await queue.done()).stored).toEqual(['a'])
    expect(states).toContain('paused')
  })

  test('abort ends all files, and later files upload', async () => {
    const began = Promise.withResolvers<void>()
    const { harness, client, queue } = await startQueue({
      filesInParallel: 1,
      uploadOptions: () => ({ onConfirmKey: () => began.resolve() }),
    })
    queue.add([{ file: new Blob([someBytes(4 * MiB)]), path: 'big' }, ...items('b', 'c')])
    const done = queue.done()
    await began.promise
    await queue.abort()
    expect(await done).toEqual({ stored: [], failed: [], aborted: 3 })
    expect(queue.progress).toMatchObject({ totalFiles: 0, totalBytes: 0 })
    expect(await client.list()).toEqual([])
    expect(harness.emulator.controls.openTasks()).toEqual([])
    queue.add(items('d'))
    expect(await queue.done()).toMatchObject({ stored: ['d'], aborted: 3 })
  })

  test('done resolves at once when nothing was added', async () => {
    const { queue } = await startQueue()
    expect(await queue.done()).toEqual({ stored: [], failed: [], aborted: 0 })
  })

  test('resumes open uploads with the same path and size', async () => {
    const { harness, client, queue } = await startQueue()
    const content = someBytes(4 * MiB)
    const open = await harness.begin({ path: 'x/a.bin', size: content.length })
    await harness.putPart(open, 2, content.slice(MiB, 2 * MiB))
    const found = resumeOpenUploads(
      [
        { file: new Blob([content]), path: 'x/a.bin' },
        { file: new Blob([content.subarray(1)]), path: 'x/a.bin' },
        ...items('b'),
      ],
      await client.list(),
    )
    expect(found.map(({ confirmKey }) => confirmKey)).toEqual([
      open.confirmKey,
      undefined,
      undefined,
    ])
    queue.add(found.slice(0, 1))
    await queue.done()
    expect(begun(harness)).toBe(1)
    expect(sentNumbers(harness)).toEqual([1, 2, 3, 4])
    expect((await storedBytes(harness, 'x', 'a.bin')).equals(content)).toBe(true)
  })

  test('begins again when the upload to resume has ended', async () => {
    const { harness, client, queue } = await startQueue()
    const { confirmKey } = await harness.begin({ path: 'a', size: 12 })
    await client.abort(confirmKey)
    queue.add(items('a').map((item) => ({ ...item, confirmKey })))
    expect(await queue.done()).toMatchObject({ stored: ['a'], failed: [] })
  })

  test('filesInParallel is validated', async () => {
    const { client } = await startQueue()
    expect(() => createUploadQueue(client, { filesInParallel: 0 })).toThrow(RangeError)
  })
})

const totalOf = (names: string[]) => items(...names).reduce((sum, { file }) => sum + file.size, 0)

test('queue: 100,000 waiting files cost less than 10 ms for each progress report', async () => {
  const upload = () => ({ done: new Promise(() => {}), pause() {}, resume() {} })
  const client = { upload, resume: upload } as never
  let reports = 0
  const queue = createUploadQueue(client, { onProgress: () => (reports += 1) })
  const file = new Blob(['x'])
  queue.add(Array.from({ length: 100_000 }, (_, index) => ({ file, path: `f/${index}` })))
  expect(reports).toBe(1)
  const start = performance.now()
  for (let call = 0; call < 100; call += 1) expect(queue.progress.totalFiles).toBe(100_000)
  expect(performance.now() - start).toBeLessThan(1000)
})
