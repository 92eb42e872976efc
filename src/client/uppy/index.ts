import {
  BasePlugin,
  type Body,
  EventManager,
  type Meta,
  type PluginOpts,
  type Uppy,
  type UppyFile,
} from '@uppy/core'
import { filterFilesToEmitUploadStarted, filterFilesToUpload } from '@uppy/core/utils'
import {
  createUploadClient,
  describeUpload,
  type OpenUpload,
  type StoredFile,
  type Upload,
  type UploadClient,
  type UploadClientOptions,
  UploadError,
  type UploadMessages,
  type UploadOptions,
  type UploadState,
} from '../index.ts'
import { resumeOpenUploads } from '../queue/open-uploads.ts'
import { createSemaphore, type PermitHolder, type Semaphore } from '../semaphore.ts'

export interface SmhUploadOptions<M extends Meta, B extends Body>
  extends PluginOpts,
    UploadClientOptions {
  /** How many files upload in parallel. Paused files do not count. Default: 5. */
  filesInParallel?: number
  /**
   * Options for the upload of a file. Default of `path`: the file's name, preceded by the folders that it
   * was dropped with.
   */
  uploadOptions?: (file: UppyFile<M, B>) => Partial<Omit<UploadOptions, CarriedByUppy>>
  /**
   * Called before a file begins whose path and size are those of an upload that the user has open, for example on
   * another device. Return true to resume that upload. Default: the client does not ask for open uploads, and the
   * file begins another upload.
   */
  shouldResume?: (file: UppyFile<M, B>, upload: OpenUpload) => boolean | Promise<boolean>
  /** Replace the English messages of `describeUpload` in the errors that Uppy shows. */
  messages?: UploadMessages
}

type CarriedByUppy = 'onProgress' | 'onState' | 'onConfirmKey' | 'signal'

declare module '@uppy/core' {
  export interface UppyEventMap<M extends Meta, B extends Body> {
    /** The state of a file's upload has changed. The first state is `preparing`. */
    'smh-upload-state': (file: UppyFile<M, B>, state: UploadState) => void
  }
}

declare module '@uppy/core/utils' {
  export interface LocalUppyFile<M extends Meta, B extends Body> {
    /** Identifies the upload of this file. Set it to resume an upload that another client has begun. */
    smhUpload?: { confirmKey: string } | undefined
  }
  export interface RemoteUppyFile<M extends Meta, B extends Body> {
    smhUpload?: undefined
  }
}

/** A file that waits or uploads. */
interface Run extends PermitHolder {
  isPaused(): boolean
  upload?: Upload
}

/**
 * Uppy's uploader for the gateway, with progress, pause, retry and cancel. It resumes after a reload if
 * `@uppy/golden-retriever` keeps the files. `upload-success` has the stored file as `response.body`.
 * `upload-error` has an {@link UploadError} with a message for users. After the code `upload_not_found` a
 * retry begins a new upload. `smh-upload-state` reports the state of each file.
 *
 * @example
 * new Uppy()
 *   .use(Dashboard, { inline: true, target: '#uploads' })
 *   .use(SmhUpload, { gateway: 'https://uploads.example.com', getToken })
 */
export class SmhUpload<M extends Meta, B extends Body> extends BasePlugin<
  SmhUploadOptions<M, B>,
  M,
  B
> {
  readonly #client: UploadClient
  readonly #events: EventManager<M, B>
  readonly #semaphore: Semaphore
  readonly #runs = new Map<string, Run>()
  /** Confirm keys of the uploads that this plugin has begun or resumed. */
  readonly #ownKeys = new Set<string>()

  /** @throws RangeError when a number is out of range, TypeError when `gateway` is not a URL */
  constructor(uppy: Uppy<M, B>, options: SmhUploadOptions<M, B>) {
    super(uppy, options)
    this.type = 'uploader'
    this.id = options.id ?? 'SmhUpload'
    const { filesInParallel = 5 } = options
    if (!Number.isInteger(filesInParallel) || filesInParallel < 1) {
      throw new RangeError('filesInParallel must be a whole number of at least 1.')
    }
    this.#events = new EventManager(uppy)
    this.#semaphore = createSemaphore(filesInParallel)
    // Reads `opts` at each call, because `setOptions` replaces it.
    this.#client = createUploadClient({ ...options, getToken: () => this.opts.getToken() })
  }

  override install(): void {
    this.#allowPause(true)
    this.uppy.addUploader(this.#uploadFiles)
    this.#events.on('file-removed', this.#abort)
    this.#events.on('upload-pause', this.#pauseOrResume)
    this.#events.on('pause-all', this.#pauseOrResumeAll)
    this.#events.on('resume-all', this.#pauseOrResumeAll)
  }

  override uninstall(): void {
    this.#allowPause(false)
    this.uppy.removeUploader(this.#uploadFiles)
    this.#events.remove()
  }

  #allowPause(resumableUploads: boolean): void {
    const { capabilities } = this.uppy.getState()
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads } })
  }

  /** Resolves when all uploads have ended. Events report their results. */
  readonly #uploadFiles = async (ids: string[]): Promise<void> => {
    const files = filterFilesToUpload(this.uppy.getFilesByIds(ids))
    this.uppy.emit('upload-start', filterFilesToEmitUploadStarted(files))
    const open = this.opts.shouldResume && this.#openUploads()
    await Promise.all(files.map(({ id }) => this.#uploadFile(id, open)))
  }

  /** The open uploads of the user. None when the gateway does not respond: the files begin other uploads. */
  #openUploads(): Promise<OpenUpload[]> {
    return this.#client.list().catch((error) => {
      this.uppy.log(`[SmhUpload] Could not list the open uploads: ${error}`, 'warning')
      return []
    })
  }

  async #uploadFile(id: string, open?: Promise<OpenUpload[]>): Promise<void> {
    const run: Run = { isPaused: () => this.uppy.getFile(id)?.isPaused ?? false }
    this.#runs.set(id, run)
    await this.#semaphore.acquire(run)
    try {
      // The user has removed the file while it waited.
      if (this.#runs.get(id) !== run) return
      if (open) await this.#offerResume(id, await open)
      if (this.#runs.get(id) !== run) return
      run.upload = this.#start(this.uppy.getFile(id))
      this.#succeed(id, await run.upload.done)
    } catch (error) {
      if (this.#runs.get(id) === run) this.#fail(id, error)
    } finally {
      if (this.#runs.get(id) === run) this.#runs.delete(id)
      this.#semaphore.release(run)
    }
  }

  /** Sets the confirm key of an open upload of this file, if the app wants to resume it. */
  async #offerResume(id: string, open: readonly OpenUpload[]): Promise<void> {
    const file = this.uppy.getFile(id)
    if (!file || file.smhUpload || !(file.data instanceof Blob)) return
    // A file that has not started yet may have a key.
    const keys = this.uppy.getFiles().map(({ smhUpload }) => smhUpload?.confirmKey)
    const others = open.filter(
      ({ confirmKey }) => !this.#ownKeys.has(confirmKey) && !keys.includes(confirmKey),
    )
    const item = { file: file.data, path: this.#optionsOf(file).path }
    const confirmKey = resumeOpenUploads([item], others)[0]?.confirmKey
    const upload = others.find((each) => each.confirmKey === confirmKey)
    if (!upload) return
    // Another file must not resume it meanwhile.
    this.#ownKeys.add(upload.confirmKey)
    if (!(await this.opts.shouldResume?.(file, upload))) {
      this.#ownKeys.delete(upload.confirmKey)
      return
    }
    if (!this.uppy.getFile(id)) return
    this.uppy.setFileState(id, { smhUpload: { confirmKey: upload.confirmKey } })
  }

  #optionsOf(file: UppyFile<M, B>) {
    return { path: pathOf(file), ...this.opts.uploadOptions?.(file) }
  }

  #start(file: UppyFile<M, B>): Upload {
    const { id, data } = file
    if (file.isRemote || !(data instanceof Blob)) {
      throw new UploadError(
        'source_changed',
        'The file is not available in this browser. Choose it again.',
      )
    }
    const onProgress: UploadOptions['onProgress'] = ({ sentBytes, totalBytes }) => {
      const current: UppyFile<M, B> | undefined = this.uppy.getFile(id)
      this.uppy.emit('upload-progress', current, {
        uploadStarted: current?.progress.uploadStarted ?? Date.now(),
        bytesUploaded: sentBytes,
        bytesTotal: totalBytes,
      })
    }
    const onState: UploadOptions['onState'] = (state) => {
      const current: UppyFile<M, B> | undefined = this.uppy.getFile(id)
      if (current) this.uppy.emit('smh-upload-state', current, state)
    }
    const onConfirmKey = (confirmKey: string) => {
      this.#ownKeys.add(confirmKey)
      // The user may have removed the file.
      if (this.uppy.getFile(id)) this.uppy.setFileState(id, { smhUpload: { confirmKey } })
    }
    const options = { ...this.#optionsOf(file), onConfirmKey, onProgress, onState }
    if (file.smhUpload) return this.#client.resume(file.smhUpload.confirmKey, data, options)
    return this.#client.upload(data, options)
  }

  #succeed(id: string, stored: StoredFile): void {
    this.uppy.setFileState(id, { smhUpload: undefined })
    const body = stored as StoredFile & B
    this.uppy.emit('upload-success', this.uppy.getFile(id), { status: 200, body })
  }

  #fail(id: string, error: unknown): void {
    if (error instanceof UploadError && error.code === 'upload_not_found') {
      this.uppy.setFileState(id, { smhUpload: undefined })
    }
    this.uppy.emit('upload-error', this.uppy.getFile(id), this.#withMessage(error))
  }

  /** Uppy shows the message of an error to users, so it must be readable. */
  #withMessage(error: unknown): Error {
    if (!(error instanceof UploadError)) return error as Error
    const message = describeUpload(error, this.opts.messages)
    return new UploadError(error.code, message, { ...error, cause: error })
  }

  readonly #abort = (file: UppyFile<M, B>): void => {
    const run = this.#runs.get(file.id)
    this.#runs.delete(file.id)
    if (run?.upload) void run.upload.abort()
    else if (file.smhUpload) {
      this.#client.abort(file.smhUpload.confirmKey).catch((error) => {
        this.uppy.log(`[SmhUpload] Could not abort the upload: ${error}`, 'warning')
      })
    }
    if (run) this.#semaphore.release(run)
  }

  readonly #pauseOrResume = (file: UppyFile<M, B> | undefined): void => {
    const run = file && this.#runs.get(file.id)
    if (run?.isPaused()) run.upload?.pause()
    else run?.upload?.resume()
    this.#semaphore.update()
  }

  readonly #pauseOrResumeAll = (): void => {
    for (const file of this.uppy.getFiles()) this.#pauseOrResume(file)
  }
}

/** The file's name, which users may edit, preceded by the folders that it was dropped with. */
function pathOf<M extends Meta, B extends Body>({ name, meta }: UppyFile<M, B>): string {
  const folders = meta.relativePath?.split('/').slice(0, -1) ?? []
  return [...folders, meta.name ?? name].filter((segment) => segment !== '').join('/')
}
