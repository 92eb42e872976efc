import type { UploadError } from './errors.ts'
import type { BeginUpload, OpenUpload, StoredFile, UploadStatus } from './gateway-types.ts'
import type { HashWorker } from './hash-file.ts'
import type { Wait } from './wait.ts'

/** How failed requests are retried. */
export interface RetryOptions {
  /** Attempts without progress in between before the upload fails. Default: 10. */
  attempts?: number
  /** Upper bound of the first wait, which doubles with each attempt. Default: 500. */
  firstDelayMs?: number
  /** Upper bound of every wait. Default: 30,000. */
  longestDelayMs?: number
}

export interface UploadClientOptions {
  /** The gateway's address, without `/v1`. */
  gateway: string | URL
  /** Returns the user's current JWT. Called before each request, and again when the gateway rejects it. */
  getToken: () => string | Promise<string>
  /**
   * How many parts all uploads of this client send in parallel. Default: 4, but at most a quarter of a
   * file's parts, because a reload sends the unfinished parts again.
   */
  partsInParallel?: number
  /**
   * Size of a part in bytes, at least 1 MiB. It grows with the file, so that 10,000 parts suffice.
   * Default: `defaultPartSize`. A resumed upload keeps the size of its parts.
   */
  partSize?: number
  /**
   * Sends all requests, also those to COS. Default: `fetch` for the gateway; for COS, XMLHttpRequest in
   * browsers and the HTTP client in Node, because both report progress within a part.
   */
  fetch?: typeof globalThis.fetch
  /** `http` only for an emulator of COS on the same machine. Default: `https`. */
  cosScheme?: 'https' | 'http'
  retry?: RetryOptions
  /**
   * Creates a worker from the module `hash-worker`, which hashes files for instant upload. Default: the
   * page hashes them with WebCrypto, one MiB at a time. Only the app knows the URL of the module, such as
   * `() => new Worker('/hash-worker.js', { type: 'module' })`.
   */
  hashWorker?: HashWorker
  /** Returns milliseconds. Tests replace it. Default: the runtime's clocks. */
  clock?: () => number
  /** Waits between attempts. Tests replace it. Default: timers. */
  wait?: Wait
}

/** Bytes that have arrived or are being sent. The number decreases when a part must be sent again. */
export interface Progress {
  sentBytes: number
  totalBytes: number
}

/**
 * The state of an upload. `describeUpload` returns a sentence for each.
 *
 * - `preparing`: the client asks whether SMH has the file, begins the upload, or reads what has arrived
 * - `uploading`: the client sends parts
 * - `waiting`: no request makes progress. The upload continues when a request succeeds. It waits for:
 *   - `network`: the network is down, or a request was lost
 *   - `rate_limit`: this user sends too many requests
 *   - `server_busy`: the gateway, SMH or COS asks to wait, or fails
 *   - `credentials`: the gateway renews the credentials
 * - `paused`: by `pause()`
 * - `completing`: all parts are sent; the gateway checks and stores the file
 * - `stored`, `failed`, `aborted`: final states
 */
export type UploadState =
  | { readonly name: 'preparing' | 'uploading' | 'paused' | 'completing' | 'aborted' }
  | {
      readonly name: 'waiting'
      readonly reason: 'network' | 'rate_limit' | 'server_busy' | 'credentials'
      /** When the next attempt starts, as a value of `Date.now()`, if that is known. */
      readonly retryAt?: number
    }
  | { readonly name: 'stored'; readonly file: StoredFile }
  /** `error` is an {@link UploadError} unless a callback threw. */
  | { readonly name: 'failed'; readonly error: unknown }

interface CommonOptions {
  onProgress?: ((progress: Progress) => void) | undefined
  /** Called with each state, from `preparing` to the final one. */
  onState?: ((state: UploadState) => void) | undefined
  /**
   * Called when the upload has begun or resumes. Store the key to resume the upload after a reload. A file of at
   * most 1 MiB whose credentials expire, or that is resumed, begins again: then this is called again with the new
   * key, and the earlier key is no longer valid.
   */
  onConfirmKey?: ((confirmKey: string) => void) | undefined
  /** Aborts the upload, as `abort()` does. */
  signal?: AbortSignal | undefined
  /** Bytes per second for each part, 102400 to 104857600. */
  trafficLimit?: number | undefined
  labels?: string[] | undefined
  /** At most 16 bytes of UTF-8. */
  category?: string | undefined
  localCreationTime?: Date | string | undefined
  localModificationTime?: Date | string | undefined
}

export interface UploadOptions extends CommonOptions {
  /** Path of the file, relative to the user's folder. The last segment is the file name. */
  path: string
  /** The strategy when the path exists already. Default: `rename`. */
  strategy?: BeginUpload['conflictResolutionStrategy'] | undefined
  /** Whether SMH should store the file on the same COS domain as an existing file at this path. */
  preferSameOrigin?: boolean | undefined
  /** Sent as `x-smh-meta-<name>`. Values that are not printable ASCII are percent-encoded UTF-8. */
  metadata?: Readonly<Record<string, string>> | undefined
  /** Whether to skip sending a file that SMH already has, if the gateway permits that. Default: true. */
  instant?: boolean | undefined
}

/**
 * Details given here are sent at completion. Without them, those given at begin remain valid, except for a file
 * of at most 1 MiB: it begins again with the path of the first begin and the details given here.
 */
export interface ResumeOptions extends CommonOptions {}

/** A running or finished upload. */
export interface Upload {
  /** Resolves to the stored file. Rejects with an {@link UploadError} unless a callback threw. */
  readonly done: Promise<StoredFile>
  /** Identifies the upload to the gateway once it has begun. May change. Undefined after an instant upload. */
  readonly confirmKey: string | undefined
  readonly state: UploadState
  readonly paused: boolean
  /** Whether `abort()`, the signal or a callback that threw has ended the upload. */
  readonly aborted: boolean
  /** Stops sending. Parts that have arrived are kept; unfinished parts are sent again later. */
  pause(): void
  resume(): void
  /**
   * Ends the upload at once. Resolves when the gateway has been asked to delete the parts. Never rejects.
   * A completion or an instant upload in progress may still store the file.
   */
  abort(): Promise<void>
}

/** Uploads files of one user. */
export interface UploadClient {
  /** Begins an upload. Returns the running upload of the same file object to the same path, if any. */
  upload(source: Blob, options: UploadOptions): Upload
  /** Resumes an upload that the same user has begun, also in another client. */
  resume(confirmKey: string, source: Blob, options?: ResumeOptions): Upload
  /**
   * The uploads that the user has begun, on any device, and neither completed nor aborted, newest first. Their
   * paths are those of begin, relative to the user's folder. Times are RFC 3339.
   */
  list(): Promise<OpenUpload[]>
  /** Reads which parts have arrived. */
  status(confirmKey: string): Promise<UploadStatus>
  /** Aborts an upload and deletes its parts. Succeeds also when the upload no longer exists. */
  abort(confirmKey: string): Promise<void>
}
