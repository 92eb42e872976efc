import { type Meta, Uppy, type UppyFile } from '@uppy/core'
import GoldenRetriever, { type GoldenRetrieverOptions } from '@uppy/golden-retriever'
import {
  createUploadClient,
  type OpenUpload,
  type StoredFile,
  UploadError,
  type UploadErrorCode,
  type UploadState,
} from '../../client/index.ts'
import type { QueuedFile } from '../../client/queue/index.ts'
import { SmhUpload } from '../../client/uppy/index.ts'
import { type DemoUser, readToken } from './demo-server.ts'
import { createFolderSession } from './folder-session.ts'

const MIB = 1024 * 1024

/** Larger files must be chosen again after a reload. */
export const MAX_KEPT_BYTES = 512 * MIB

/** Where Golden Retriever keeps files for a reload. */
const kept = { name: 'kept', maxFileSize: MAX_KEPT_BYTES, maxTotalSize: 2 * MAX_KEPT_BYTES }

/** Errors that the same file would cause again. */
const FINAL: readonly UploadErrorCode[] = [
  'invalid_request',
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

/** Golden Retriever keeps these fields for a reload. */
interface PageMeta extends Meta {
  relativePath?: string | undefined
  failure?: { text: string; mayRetry: boolean } | undefined
  /** SMH already had the file, so nothing was sent. */
  instant?: boolean
}

type SessionFile = UppyFile<PageMeta, Body>

/** The state of a file. */
export type FileState =
  /** Waits for earlier files. */
  | { name: 'queued' }
  | Exclude<UploadState, { name: 'stored' | 'failed' }>
  /** Restored after a reload. */
  | { name: 'restored' }
  /** Restored after a reload, but without its bytes. */
  | { name: 'lost' }
  | { name: 'stored'; file: StoredFile; instant: boolean }
  | { name: 'failed'; text: string; mayRetry: boolean }

/** A file as the page shows it. */
export interface FileItem {
  id: string
  /** The file name, preceded by the folders that it was added with. */
  name: string
  size: number
  sentBytes: number
  /** The bytes, if the page has them. */
  content: Blob | undefined
  /** Identifies the upload to the gateway, while another browser can continue it. */
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

/** Creates the uploads of one user. They continue while the page shows another user. */
export function createUserSession(options: SessionOptions) {
  const { user, gatewayUrl, onChange, onStored, onCancelled } = options
  /** States of the uploads that this page has started. undefined while they are queued. */
  const running = new Map<string, UploadState | undefined>()
  /** Files whose bytes were sent, because SMH did not have them. */
  const sent = new Set<string>()

  const clientOptions = {
    gateway: gatewayUrl,
    getToken: () => readToken(user),
    cosScheme: 'http',
    // Uploads must survive a network that the visitor switches off for a long time.
    retry: { attempts: 10_000, firstDelayMs: 250, longestDelayMs: 2_000 },
    hashWorker: () => new Worker('/hash-worker.js', { type: 'module' }),
  } as const
  const client = createUploadClient(clientOptions)

  const uppy = new Uppy<PageMeta, Body>({
    id: `demo-${user.id}`,
    // Uppy would reject a second file with the same name. Here it is another upload.
    onBeforeFileAdded: (file) => ({ ...file, id: crypto.randomUUID() }),
  })
    .use(GoldenRetriever, { indexedDB: kept as GoldenRetrieverOptions['indexedDB'] & object })
    .use(SmhUpload, { ...clientOptions, shouldResume: () => true })

  uppy.on('state-update', onChange)
  // The page starts each upload itself, so uploads from before the reload must not continue.
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
    // Uppy reports the end in its next event.
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

  /** Starts or continues an upload. Events report the result. */
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
    // A file that the browser could not keep continues its earlier upload.
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

    /** The files, in the order in which they were added. */
    items: () => uppy.getFiles().map(itemOf),

    /** Lists and aborts the uploads of this user. */
    client,

    /** The folders of this user, which the page shows with one progress. */
    folder: createFolderSession({ userId: user.id, client, onChange }),

    /** Whether a row of the page has this upload. */
    has: ({ confirmKey }: OpenUpload) =>
      uppy.getFiles().some(({ smhUpload }) => smhUpload?.confirmKey === confirmKey),

    /** Starts to upload files, with the folders that they were added with. */
    add(items: readonly QueuedFile[]): void {
      for (const { file, path } of items) {
        if (file instanceof File) addOne(file, path === file.name ? '' : path)
      }
    },

    /** Continues an upload from another browser. */
    continueWith: (file: File, confirmKey: string, path = '') => addOne(file, path, confirmKey),

    start,

    setPaused(id: string, isPaused: boolean): void {
      if ((uppy.getFile(id).isPaused ?? false) !== isPaused) uppy.pauseResume(id)
    },

    /** Removes a file from the page. An unfinished upload is aborted. */
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
