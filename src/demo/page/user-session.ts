import { type Meta, Uppy, type UppyFile } from '@uppy/core'
import GoldenRetriever, { type GoldenRetrieverOptions } from '@uppy/golden-retriever'
import {
  type StoredFile,
  UploadError,
  type UploadErrorCode,
  type UploadState,
} from '../../client/index.ts'
import { SmhUpload } from '../../client/uppy/index.ts'
import { type DemoUser, readToken } from './demo-server.ts'

const MIB = 1024 * 1024

/** Larger files have to be chosen again after a reload. */
export const MOST_KEPT_BYTES = 512 * MIB

/** The files that come back after a reload. */
const kept = { name: 'kept', maxFileSize: MOST_KEPT_BYTES, maxTotalSize: 2 * MOST_KEPT_BYTES }

/** Errors that the same file would cause again. */
const FINAL: readonly UploadErrorCode[] = [
  'invalid_request',
  'empty_file',
  'file_too_large',
  'metadata_too_large',
  'not_permitted',
  'insufficient_scope',
  'parent_not_found',
  'name_conflict',
  'content_refused',
  'source_changed',
]

type Body = StoredFile & Record<string, unknown>

/** Golden Retriever keeps all of it. */
interface PageMeta extends Meta {
  relativePath?: string | undefined
  failure?: { text: string; mayRetry: boolean } | undefined
  /** SMH had the file already, and nothing was sent. */
  instant?: boolean
}

type SessionFile = UppyFile<PageMeta, Body>

/** The one thing that is true of a file at a time. */
export type FileState =
  /** Waits for files that came before it. */
  | { name: 'queued' }
  | Exclude<UploadState, { name: 'stored' | 'failed' }>
  /** Came back after a reload. */
  | { name: 'restored' }
  /** Came back after a reload without its bytes. */
  | { name: 'lost' }
  | { name: 'stored'; file: StoredFile; instant: boolean }
  | { name: 'failed'; text: string; mayRetry: boolean }

/** A file as the page shows it. */
export interface FileItem {
  id: string
  /** With the folders that it was added with. */
  name: string
  size: number
  sentBytes: number
  /** The bytes, where they are at hand. */
  content: Blob | undefined
  /** Names the upload to the gateway while it can be continued elsewhere. */
  confirmKey: string | undefined
  state: FileState
}

export interface SessionOptions {
  user: DemoUser
  gatewayUrl: string
  onChange: () => void
  onStored: (file: StoredFile, instant: boolean) => void
  onCancelled: (name: string) => void
}

export type UserSession = ReturnType<typeof createUserSession>

/** The uploads of one user. They go on while the page shows another user. */
export function createUserSession(options: SessionOptions) {
  const { user, gatewayUrl, onChange, onStored, onCancelled } = options
  /** What the uploads that this page has started are doing; undefined before their turn. */
  const running = new Map<string, UploadState | undefined>()
  /** The files of which SMH did not have the bytes already. */
  const sent = new Set<string>()

  const uppy = new Uppy<PageMeta, Body>({
    id: `demo-${user.id}`,
    // Two files that are alike are two uploads.
    onBeforeFileAdded: (file) => ({ ...file, id: crypto.randomUUID() }),
  })
    .use(GoldenRetriever, { indexedDB: kept as GoldenRetrieverOptions['indexedDB'] & object })
    .use(SmhUpload, {
      gateway: gatewayUrl,
      getToken: () => readToken(user),
      cosScheme: 'http',
      // A visitor who switches the network off sees the wait, however long it lasts.
      retry: { attempts: 10_000, firstDelayMs: 250, longestDelayMs: 2_000 },
      hashWorker: () => new Worker('/hash-worker.js', { type: 'module' }),
    })

  uppy.on('state-update', onChange)
  // The page starts each upload itself, so none of those before the reload goes on.
  uppy.on('restored', () => uppy.setState({ currentUploads: {}, recoveredState: null }))
  uppy.on('smh-upload-state', ({ id }, state) => {
    if (state.name === 'uploading' || state.name === 'completing') sent.add(id)
    if (running.has(id)) running.set(id, state)
    onChange()
  })
  uppy.on('upload-error', (file, error) => {
    if (file) uppy.setFileMeta(file.id, { failure: failureOf(error) })
  })
  uppy.on('upload-success', (file, { body }) => {
    if (!file || !body) return
    const instant = !sent.has(file.id)
    uppy.setFileMeta(file.id, { instant })
    onStored(body, instant)
  })

  uppy.on('file-removed', (file) => {
    if (!file.progress.uploadComplete && !file.error) onCancelled(nameOf(file))
  })

  function stateOf(file: SessionFile): FileState {
    const { meta, error, progress, response } = file
    if (progress.uploadComplete && response?.body) {
      return { name: 'stored', file: response.body, instant: meta.instant ?? false }
    }
    if (error) return { name: 'failed', ...(meta.failure ?? { text: error, mayRetry: true }) }
    if (!running.has(file.id)) return { name: file.isGhost ? 'lost' : 'restored' }
    const state = running.get(file.id)
    if (file.isPaused && state?.name !== 'completing') return { name: 'paused' }
    if (!state) return { name: 'queued' }
    // Uppy is about to hear of it.
    if (state.name === 'stored' || state.name === 'failed') return { name: 'completing' }
    return state
  }

  function itemOf(file: SessionFile): FileItem {
    const { id, size, data, progress } = file
    return {
      id,
      name: nameOf(file),
      size: size ?? 0,
      sentBytes: progress.bytesUploaded || 0,
      content: data instanceof Blob ? data : undefined,
      confirmKey: progress.uploadComplete ? undefined : file.smhUpload?.confirmKey,
      state: stateOf(file),
    }
  }

  /** Starts an upload, or continues it. Events tell how it ends. */
  function start(id: string): void {
    running.set(id, undefined)
    uppy
      .retryUpload(id)
      .catch(() => {})
      .finally(() => {
        running.delete(id)
        onChange()
      })
  }

  function addOne(file: File, path: string, confirmKey?: string): void {
    // One that the browser could not keep goes on where it was.
    const lost = uppy.getFiles().find((each) => {
      const isSame = each.name === file.name && each.size === file.size
      return each.isGhost && isSame && (each.meta.relativePath ?? '') === path
    })
    if (lost) uppy.setFileState(lost.id, { data: file, isGhost: false })
    const id =
      lost?.id ??
      uppy.addFile({
        name: file.name,
        type: file.type,
        data: file,
        meta: { ...(path && { relativePath: path }) } as PageMeta,
      })
    if (confirmKey) uppy.setFileState(id, { smhUpload: { confirmKey } })
    start(id)
  }

  return {
    user,

    /** In the order in which they were added. */
    items: () => uppy.getFiles().map(itemOf),

    /** Starts to upload these, in their folders where they came with some. */
    add(files: readonly File[]): void {
      for (const file of files) addOne(file, pathOf(file))
    },

    /** Continues an upload that was begun elsewhere. */
    continueWith: (file: File, confirmKey: string) => addOne(file, '', confirmKey),

    start,

    setPaused(id: string, isPaused: boolean): void {
      if ((uppy.getFile(id).isPaused ?? false) !== isPaused) uppy.pauseResume(id)
    },

    /** Takes a file off the page. What was sent of an unfinished one is dropped. */
    remove: (id: string) => uppy.removeFile(id),
  }
}

function nameOf({ name, meta }: SessionFile): string {
  return meta.relativePath?.replace(/^\//, '') || name
}

function failureOf(error: { message: string }) {
  const isFinal = error instanceof UploadError && FINAL.includes(error.code)
  return { text: error.message, mayRetry: !isFinal }
}

/** Behind which folders a file was chosen (`webkitRelativePath`) or dropped (by Uppy); or nothing. */
function pathOf(file: File & { relativePath?: string | null }): string {
  return file.relativePath || file.webkitRelativePath
}
