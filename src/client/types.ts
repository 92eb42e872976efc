import type { UploadError } from './errors.ts'
import type { BeginUpload, StoredFile, UploadStatus } from './gateway-types.ts'
import type { HashWorker } from './hash-file.ts'
import type { Wait } from './wait.ts'

/** How failed calls are repeated. */
export interface RetryOptions {
  /** Attempts without any progress in between, until the fault is told; 10 unless told. */
  attempts?: number
  /** Upper bound of the first wait, doubled each time; 500 unless told. */
  firstDelayMs?: number
  /** 30,000 unless told. */
  longestDelayMs?: number
}

export interface UploadClientOptions {
  /** Where the gateway is; `/v1/uploads` comes after it. */
  gateway: string | URL
  /** Gives the user's current JWT. Asked before each call, and once more when one is refused. */
  getToken: () => string | Promise<string>
  /**
   * Parts on their way at the same time, of all uploads of this client together. Default: 4, but at most
   * a quarter of a file's parts, so that a reload costs little.
   */
  partsInParallel?: number
  /**
   * Bytes, at least 1 MiB. Grows so that 10,000 parts suffice. Default: by the size of the file, see
   * `defaultPartSize`. An upload that goes on keeps the size that its parts have.
   */
  partSize?: number
  /**
   * Carries all requests, those to COS as well. Unless told, browsers use XMLHttpRequest for those and
   * Node its HTTP client, which tell how far a part has got.
   */
  fetch?: typeof globalThis.fetch
  /** `http` only for a COS stand-in on the same machine; `https` unless told. */
  cosScheme?: 'https' | 'http'
  retry?: RetryOptions
  /**
   * Makes a worker from the module `hash-worker`, which then computes the hash of a whole file. Without
   * it the page does, one MiB at a time, through WebCrypto. The app makes it because only the app
   * knows where the module is served from: `() => new Worker('/hash-worker.js', { type: 'module' })`
   * is all that a page with `worker-src 'self'` needs.
   */
  hashWorker?: HashWorker
  /** Milliseconds, for rehearsals; the runtime's clocks unless told. */
  clock?: () => number
  /** How to wait between attempts, for rehearsals; timers unless told. */
  wait?: Wait
}

/** Bytes that arrived or are on their way. Fewer than before when a part has to be sent again. */
export interface Progress {
  sentBytes: number
  totalBytes: number
}

/**
 * What an upload is doing. `describeUpload` gives a sentence for each.
 *
 * - `preparing`: asks whether SMH has the file already, begins, or finds out what has arrived before
 * - `uploading`: parts are on their way
 * - `waiting`: nothing moves; it goes on without help. Lasts until a request gets through:
 *   - `network`: the network is away, or a request was lost
 *   - `rate_limit`: this user sends too many requests
 *   - `server_busy`: the gateway, SMH or COS asks for patience, or fails
 *   - `credentials`: the gateway is renewing the permission to send parts
 * - `paused`: by `pause()`
 * - `completing`: all parts are sent; the gateway checks and stores the file
 * - `stored`, `failed`, `aborted`: the end; no other state follows
 */
export type UploadState =
  | { readonly name: 'preparing' | 'uploading' | 'paused' | 'completing' | 'aborted' }
  | {
      readonly name: 'waiting'
      readonly reason: 'network' | 'rate_limit' | 'server_busy' | 'credentials'
      /** When the next attempt starts, in milliseconds as of `Date.now()`, where that is known. */
      readonly retryAt?: number
    }
  | { readonly name: 'stored'; readonly file: StoredFile }
  /** An {@link UploadError} unless a callback threw. */
  | { readonly name: 'failed'; readonly error: unknown }

interface CommonOptions {
  onProgress?: ((progress: Progress) => void) | undefined
  /** Called with each state, from `preparing` to the last one. */
  onState?: ((state: UploadState) => void) | undefined
  /** Aborts the upload, as `abort()` does. */
  signal?: AbortSignal | undefined
  /** Bytes a second for each part on its way, 102400 to 104857600. */
  trafficLimit?: number | undefined
  labels?: string[] | undefined
  /** At most 16 bytes of UTF-8. */
  category?: string | undefined
  localCreationTime?: Date | string | undefined
  localModificationTime?: Date | string | undefined
}

export interface UploadOptions extends CommonOptions {
  /** Where the user wants the file: relative to their folder, the last segment is the name. */
  path: string
  /** What happens when the name is taken; `rename` unless told. */
  strategy?: BeginUpload['conflictResolutionStrategy'] | undefined
  /** Where a file of this name is there already, to have this one at the same domain of COS. */
  preferSameOrigin?: boolean | undefined
  /** `x-smh-meta-<name>`. Values that are not printable ASCII are percent-encoded (UTF-8). */
  metadata?: Readonly<Record<string, string>> | undefined
  /** Unless false, a file that SMH has already is not sent; the gateway may have this off. */
  instant?: boolean | undefined
  /** Told once when the upload has begun. Keep the key to resume after a reload. */
  onConfirmKey?: ((confirmKey: string) => void) | undefined
}

/** What is given here goes to completion; what was given at begin holds without it. */
export interface ResumeOptions extends CommonOptions {}

/** An upload that is under way or was. */
export interface Upload {
  /** The stored file. Rejects with an {@link UploadError} unless a callback threw. */
  readonly done: Promise<StoredFile>
  /** Names the upload to the gateway, once it has begun; never there after an instant upload. */
  readonly confirmKey: string | undefined
  readonly state: UploadState
  readonly paused: boolean
  /** Whether it was ended by `abort()`, by its signal or by a callback that threw. */
  readonly aborted: boolean
  /** Parts on their way are given up; those that arrived stay. */
  pause(): void
  resume(): void
  /**
   * Ends it at once; resolves when the gateway has been asked to drop what arrived. Never rejects.
   * Completion that is under way may win, and so may the instant upload of a file that SMH has: then
   * the file is stored all the same.
   */
  abort(): Promise<void>
}

/** Uploads files of one user. */
export interface UploadClient {
  /** Begins an upload, or joins the one of the same file object to the same path that is under way. */
  upload(source: Blob, options: UploadOptions): Upload
  /** Goes on with an upload that was begun earlier, here or elsewhere, by the same user. */
  resume(confirmKey: string, source: Blob, options?: ResumeOptions): Upload
  /** What has arrived. */
  status(confirmKey: string): Promise<UploadStatus>
  /** Drops an upload and what arrived of it; also one that nobody knows any more. */
  abort(confirmKey: string): Promise<void>
}
