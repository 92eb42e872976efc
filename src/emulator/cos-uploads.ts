import type { Blob, BlobStore } from './blob-store.ts'
import { checkAccess } from './cos-access.ts'
import { cosError } from './cos-errors.ts'
import type { Incoming, Reply } from './http-server.ts'
import type { State, Task } from './state.ts'

/** Maximum size of a part or of an object in one request (docs/smh-protocol.md#9). */
const MAX_BODY_BYTES = 5 * 1024 ** 3

/** Range of `x-cos-traffic-limit` in bit/s (docs/smh-protocol.md#9). */
const TRAFFIC_LIMIT = { least: 819_200, most: 838_860_800 }

/**
 * Stores one part of a multipart upload (docs/smh-protocol.md#11). A repeated number replaces the
 * part.
 */
export async function putPart(
  state: State,
  blobStore: BlobStore,
  request: Incoming,
  key: string,
): Promise<Reply> {
  checkAccess(state, request, key)
  const upload = () => openUpload(state, key, request.query.get('uploadId'))
  upload()
  const text = request.query.get('partNumber') ?? ''
  const number = Number(text)
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > 10_000) throw cosError('InvalidArgument')

  const blob = await receive(blobStore, request)
  try {
    const task = upload() // The upload may have ended while the bytes arrived.
    const before = task.parts.get(number)
    task.parts.set(number, {
      number,
      blob,
      lastModified: state.now(),
      receivedTimes: (before?.receivedTimes ?? 0) + 1,
    })
    if (before) await blobStore.remove([before.blob])
  } catch (error) {
    await blobStore.remove([blob])
    throw error
  }
  return storedReply(blob)
}

/** Stores a whole object under its key (docs/smh-protocol.md#5.3). */
export async function putObject(
  state: State,
  blobStore: BlobStore,
  request: Incoming,
  key: string,
): Promise<Reply> {
  checkAccess(state, request, key)
  openTask(state, key)
  const blob = await receive(blobStore, request)
  await keepObject(state, blobStore, key, blob)
  return storedReply(blob)
}

/** Makes `blob` the object under `key`, which the task's confirm turns into a file. */
export async function keepObject(state: State, blobStore: BlobStore, key: string, blob: Blob) {
  try {
    const task = openTask(state, key)
    const before = task.object
    task.object = blob
    if (before) await blobStore.remove([before])
  } catch (error) {
    await blobStore.remove([blob])
    throw error
  }
}

/** The response headers for a stored part or object (docs/smh-protocol.md#11.2). */
export function storedHeaders(blob: Blob): Record<string, string> {
  return { ETag: `"${blob.md5}"`, 'x-cos-hash-crc64ecma': blob.crc64 }
}

function storedReply(blob: Blob): Reply {
  return { status: 200, headers: storedHeaders(blob) }
}

/** The multipart upload with this id under this key. Otherwise 404 `NoSuchUpload`. */
export function openUpload(state: State, key: string, uploadId: string | null): Task {
  const task = state.uploads.get(key)
  if (task?.kind !== 'multipart' || task.uploadId !== uploadId || task.state !== 'open') {
    throw cosError('NoSuchUpload')
  }
  return task
}

/** A key accepts bytes until its task ends (inferred). */
function openTask(state: State, key: string): Task {
  const task = state.uploads.get(key)
  if (task?.state !== 'open') throw cosError('AccessDenied')
  return task
}

async function receive(blobStore: BlobStore, request: Incoming): Promise<Blob> {
  const declared = request.headers['content-length']
  if (declared === undefined) throw cosError('MissingContentLength')
  if (Number(declared) > MAX_BODY_BYTES) throw cosError('EntityTooLarge')
  checkTrafficLimit(request.headers['x-cos-traffic-limit'])
  const wanted = contentMd5(request.headers['content-md5'])
  let blob: Blob
  try {
    blob = await blobStore.write(request.stream, (size) => {
      request.record.bodyBytes += size
    })
  } catch {
    throw cosError(request.stream.complete ? 'InternalError' : 'IncompleteBody')
  }
  if (wanted !== undefined && wanted !== blob.md5) {
    await blobStore.remove([blob])
    throw cosError('BadDigest')
  }
  await request.waitAtLastByte()
  return blob
}

function contentMd5(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const digest = Buffer.from(header, 'base64')
  if (digest.byteLength !== 16 || digest.toString('base64') !== header) {
    throw cosError('InvalidDigest')
  }
  return digest.toString('hex')
}

function checkTrafficLimit(header: string | undefined) {
  if (header === undefined) return
  const limit = Number(header)
  if (!/^\d+$/.test(header) || limit < TRAFFIC_LIMIT.least || limit > TRAFFIC_LIMIT.most) {
    throw cosError('InvalidArgument')
  }
}
