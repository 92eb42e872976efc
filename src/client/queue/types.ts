import type { StoredFile } from '../gateway-types.ts'
import type { UploadClient, UploadOptions } from '../types.ts'

/** A file to upload. */
export interface QueuedFile {
  file: Blob
  /** Path of the file, relative to the user's folder. The last segment is the file name. */
  path: string
  /**
   * An earlier upload of this file to this path, to resume it. If it has ended, the file is uploaded from its
   * start.
   */
  confirmKey?: string | undefined
}

/** A file that was not stored. */
export interface FailedFile extends QueuedFile {
  /** An `UploadError` unless a callback threw. */
  error: unknown
}

/** How far a queue is. */
export interface QueueProgress {
  /** Files that were added, without those that `abort()` has ended. */
  totalFiles: number
  storedFiles: number
  failedFiles: number
  /** Bytes of these files. */
  totalBytes: number
  /** Bytes that are stored, have arrived or are being sent. Decreases when a file fails. */
  sentBytes: number
}

/** The result of a queue. */
export interface QueueReport {
  /** The requested paths, in the order in which the files were stored. `onStored` receives the stored names. */
  stored: readonly string[]
  failed: readonly FailedFile[]
  /** How many files `abort()` has ended. */
  aborted: number
}

export interface QueueOptions {
  /** How many files upload in parallel. Their parts share the limit of the client. Default: 4. */
  filesInParallel?: number
  /** Options for the upload of a file. Only some of them apply to a file with a `confirmKey`. */
  uploadOptions?: (item: QueuedFile) => Partial<Omit<UploadOptions, 'path' | 'onProgress'>>
  /** Called at each change of the progress: often, so do not draw at each call. */
  onProgress?: (progress: QueueProgress) => void
  onStored?: (item: QueuedFile, file: StoredFile) => void
  onFailed?: (item: FailedFile) => void
}

/** Uploads many files, some of them in parallel. */
export interface UploadQueue {
  readonly progress: QueueProgress
  readonly paused: boolean
  /** Adds files, also while others upload. */
  add(items: Iterable<QueuedFile>): void
  /** Pauses the files that upload, and starts no other. */
  pause(): void
  resume(): void
  /** Adds the files that have failed again. */
  retryFailed(): void
  /** Ends all files that were added and are not stored. Resolves when the gateway has been asked to delete their parts. */
  abort(): Promise<void>
  /** Resolves when no file waits or uploads: at once if there is none. Never rejects: a failed file stops no other. */
  done(): Promise<QueueReport>
}

export type QueueClient = Pick<UploadClient, 'upload' | 'resume'>
