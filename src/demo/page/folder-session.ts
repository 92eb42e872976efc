import type { OpenUpload, UploadClient, UploadState } from '../../client/index.ts'
import {
  createUploadQueue,
  type FailedFile,
  type QueuedFile,
  resumeOpenUploads,
} from '../../client/queue/index.ts'
import { openFolderRecord } from './folder-record.ts'

/** The folder as the page shows it. */
export interface FolderView {
  /**
   * - `none`: no folder
   * - `interrupted`: a reload has ended its upload; the browser needs the folder again
   * - `active`, `paused`
   * - `over`: every file is stored or has failed
   */
  state: 'none' | 'interrupted' | 'active' | 'paused' | 'over'
  /** The names of the chosen folders. */
  names: readonly string[]
  totalFiles: number
  /** Those from before a reload included. */
  storedFiles: number
  totalBytes: number
  sentBytes: number
  failures: readonly FailedFile[]
  /** The state of one file, if all files that upload wait. */
  waiting: UploadState | undefined
}

export interface FolderSessionOptions {
  userId: string
  client: UploadClient
  onChange: () => void
}

export type FolderSession = ReturnType<typeof createFolderSession>

/** Creates the upload of folders of one user. Folders that are added meanwhile join the same progress. */
export function createFolderSession({ userId, client, onChange }: FolderSessionOptions) {
  const record = openFolderRecord(userId)
  let interrupted = record.summary()
  const atLoad = record.read()
  /** Confirm keys of this folder's uploads. */
  const keys = new Set(atLoad.confirmKeys)
  const start = () =>
    createUploadQueue(client, {
      uploadOptions: (item) => ({
        onState: (state) => noteState(item.path, state),
        onConfirmKey(confirmKey) {
          keys.add(confirmKey)
          record.began(item, confirmKey)
        },
      }),
      onProgress: onChange,
      onStored: (item) => record.stored(item),
      onFailed: (failure) => failures.push(failure),
    })
  let queue = start()
  let failures: FailedFile[] = []
  let names: string[] = []
  /** The paths of all files that were added. */
  let paths = new Set<string>()
  /** Files that were stored before a reload. */
  let before = { files: 0, bytes: 0 }
  /** The states of the files that upload. */
  const states = new Map<string, UploadState>()
  /** How many calls of `add` read the open uploads. */
  let preparing = 0

  function noteState(path: string, state: UploadState): void {
    if (['stored', 'failed', 'aborted'].includes(state.name)) states.delete(path)
    else states.set(path, state)
    onChange()
  }

  function stateNow(): FolderView['state'] {
    if (interrupted) return 'interrupted'
    if (paths.size === 0) return 'none'
    const { totalFiles, storedFiles, failedFiles } = queue.progress
    if (preparing === 0 && storedFiles + failedFiles === totalFiles) return 'over'
    return queue.paused ? 'paused' : 'active'
  }

  /** Waits for the end, and then forgets a folder that is complete. */
  async function follow(): Promise<void> {
    const current = queue
    await current.done()
    if (current !== queue || stateNow() !== 'over' || failures.length > 0) return
    record.forget()
    onChange()
  }

  function reset(): void {
    queue = start()
    failures = []
    names = []
    paths = new Set()
    before = { files: 0, bytes: 0 }
    interrupted = undefined
  }

  /** The files that this browser has not stored, with the confirm keys of those that have begun. */
  function missingOf(items: readonly QueuedFile[]): QueuedFile[] {
    return items.flatMap((item) => {
      if (paths.has(item.path)) return []
      paths.add(item.path)
      const found = record.find(item)
      if (found !== 'stored') return [{ ...item, ...found }]
      before = { files: before.files + 1, bytes: before.bytes + item.file.size }
      return []
    })
  }

  return {
    view(): FolderView {
      const state = stateNow()
      if (state === 'interrupted' && interrupted) {
        const { files: totalFiles, bytes: totalBytes } = interrupted
        const { storedFiles } = atLoad
        const counts = { totalFiles, storedFiles, totalBytes, sentBytes: 0 }
        return { state, names: interrupted.names, failures, waiting: undefined, ...counts }
      }
      const { totalFiles, storedFiles, totalBytes, sentBytes } = queue.progress
      const all = [...states.values()]
      return {
        state,
        names,
        waiting: all.every(({ name }) => name === 'waiting') ? all.at(-1) : undefined,
        totalFiles: totalFiles + before.files,
        storedFiles: storedFiles + before.files,
        totalBytes: totalBytes + before.bytes,
        sentBytes: sentBytes + before.bytes,
        failures,
      }
    },

    /** Whether an open upload belongs to the folder. */
    has: ({ confirmKey, path: [root = '', ...below] }: OpenUpload) =>
      keys.has(confirmKey) || (below.length > 0 && (interrupted?.names ?? names).includes(root)),

    /** Adds files. Those that this browser has stored are skipped, and those that have begun resume. */
    async add(items: readonly QueuedFile[]): Promise<void> {
      if (['over', 'interrupted'].includes(stateNow())) reset()
      const missing = missingOf(items)
      names = [...new Set([...names, ...items.flatMap(({ path }) => rootOf(path))])]
      const { totalFiles, totalBytes } = queue.progress
      record.begin({
        names,
        files: totalFiles + before.files + missing.length,
        bytes: missing.reduce((sum, { file }) => sum + file.size, totalBytes + before.bytes),
      })
      preparing += 1
      onChange()
      const current = queue
      // A reload may have interrupted a begin, and another device may have begun a file.
      const open = await client.list().catch(() => [])
      preparing -= 1
      if (current === queue) queue.add(resumeOpenUploads(missing, open))
      await follow()
    },

    setPaused: (isPaused: boolean) => (isPaused ? queue.pause() : queue.resume()),

    retry(): void {
      failures = []
      queue.retryFailed()
      void follow()
    },

    /** Ends what is not stored, and removes the folder from the page. Stored files stay. */
    async discard(): Promise<void> {
      const { confirmKeys } = record.read()
      const ending = queue.abort()
      record.forget()
      reset()
      onChange()
      await ending
      await Promise.all(confirmKeys.map((key) => client.abort(key).catch(() => {})))
    },
  }
}

const rootOf = (path: string) => path.split('/').slice(0, -1).slice(0, 1)
