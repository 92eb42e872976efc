import { hasCode } from '../errors.ts'
import type { StoredFile } from '../gateway-types.ts'
import type { Upload, UploadOptions } from '../types.ts'
import type {
  FailedFile,
  QueueClient,
  QueuedFile,
  QueueOptions,
  QueueProgress,
  UploadQueue,
} from './types.ts'

/** A file that uploads. */
interface Run {
  sentBytes: number
  isAborted: boolean
  upload?: Upload
}

/**
 * Creates a queue that uploads many files with `client`. Only files in progress have an upload, and the queue
 * keeps only the path of a stored file, so 100,000 files need little memory.
 *
 * @example
 * const queue = createUploadQueue(client, { onProgress: show })
 * queue.add(chosenFiles(input.files))
 * const { stored, failed } = await queue.done()
 *
 * @throws RangeError when `filesInParallel` is not a whole number of at least 1
 */
export function createUploadQueue(client: QueueClient, options: QueueOptions = {}): UploadQueue {
  const { filesInParallel = 4, onProgress, onStored, onFailed } = options
  if (!Number.isInteger(filesInParallel) || filesInParallel < 1) {
    throw new RangeError('filesInParallel must be a whole number of at least 1.')
  }
  /** Files that were added since the queue was empty. Those before `next` have started. */
  let added: QueuedFile[] = []
  let next = 0
  const running = new Set<Run>()
  const stored: string[] = []
  let failed: FailedFile[] = []
  let aborted = 0
  let storedBytes = 0
  let totalBytes = 0
  let paused = false
  let whenDone: (() => void)[] = []

  const waitingFiles = () => added.length - next
  function progress(): QueueProgress {
    const sentBytes = [...running].reduce((sum, run) => sum + run.sentBytes, storedBytes)
    const totalFiles = stored.length + failed.length + running.size + waitingFiles()
    const [storedFiles, failedFiles] = [stored.length, failed.length]
    return { totalFiles, storedFiles, failedFiles, totalBytes, sentBytes }
  }

  function add(items: Iterable<QueuedFile>): void {
    for (const item of items) {
      added.push(item)
      totalBytes += item.file.size
    }
    update()
  }

  /** Starts as many files as may run, or ends the wait for all of them. */
  function update(): void {
    while (!paused && running.size < filesInParallel && waitingFiles() > 0) {
      void upload(added[next++]!)
    }
    onProgress?.(progress())
    if (waitingFiles() > 0) return
    added = []
    next = 0
    if (running.size > 0) return
    for (const resolve of whenDone) resolve()
    whenDone = []
  }

  async function upload(item: QueuedFile): Promise<void> {
    const { file, path } = item
    const run: Run = { sentBytes: 0, isAborted: false }
    running.add(run)
    try {
      const storedFile = await send(item, run)
      stored.push(path)
      storedBytes += file.size
      running.delete(run)
      onStored?.(item, storedFile)
    } catch (error) {
      running.delete(run)
      if (run.isAborted) drop([item])
      else fail({ file, path, error })
    } finally {
      update()
    }
  }

  async function send(item: QueuedFile, run: Run): Promise<StoredFile> {
    const { file, path, confirmKey } = item
    const all: UploadOptions = {
      ...options.uploadOptions?.(item),
      path,
      onProgress({ sentBytes }) {
        run.sentBytes = sentBytes
        onProgress?.(progress())
      },
    }
    function follow(upload: Upload): Promise<StoredFile> {
      run.upload = upload
      if (paused) upload.pause()
      return upload.done
    }
    if (confirmKey === undefined) return follow(client.upload(file, all))
    return follow(client.resume(confirmKey, file, all)).catch((error) => {
      if (!hasCode(error, 'upload_not_found')) throw error
      return follow(client.upload(file, all))
    })
  }

  function fail(failure: FailedFile): void {
    failed.push(failure)
    onFailed?.(failure)
  }

  /** Removes files that `abort` has ended from the totals. */
  function drop(items: readonly QueuedFile[]): void {
    aborted += items.length
    for (const { file } of items) totalBytes -= file.size
  }

  function setPaused(isPaused: boolean): void {
    paused = isPaused
    for (const { upload } of running) {
      if (isPaused) upload?.pause()
      else upload?.resume()
    }
    update()
  }

  return {
    get progress() {
      return progress()
    },
    get paused() {
      return paused
    },
    add,
    pause: () => setPaused(true),
    resume: () => setPaused(false),

    retryFailed(): void {
      const items = failed
      failed = []
      for (const { file } of items) totalBytes -= file.size
      add(items)
    },

    async abort(): Promise<void> {
      drop(added.splice(next))
      const ending = [...running].map((run) => {
        run.isAborted = true
        return run.upload?.abort()
      })
      setPaused(false)
      await Promise.all(ending)
    },

    done: () =>
      new Promise((resolve) => {
        whenDone.push(() => resolve({ stored: [...stored], failed: [...failed], aborted }))
        if (running.size === 0 && waitingFiles() === 0) update()
      }),
  }
}
