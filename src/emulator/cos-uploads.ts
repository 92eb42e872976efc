import type { Bytes, Piece } from './bytes.ts'
import { checkAccess } from './cos-access.ts'
import { cosError } from './cos-errors.ts'
import type { Incoming, Reply } from './http-side.ts'
import type { State, Task } from './state.ts'

/** One part, and one object sent at once, may have 5 GiB (docs/smh-protocol.md#9). */
const MAX_BODY_BYTES = 5 * 1024 ** 3

/** x-cos-traffic-limit in bit/s (docs/smh-protocol.md#9). */
const TRAFFIC_LIMIT = { least: 819_200, most: 838_860_800 }

/** Takes one part of a multipart upload (docs/smh-protocol.md#11); a repeated number replaces the part. */
export async function putPart(
  state: State,
  bytes: Bytes,
  request: Incoming,
  key: string,
): Promise<Reply> {
  checkAccess(state, request, key)
  const upload = () => openUpload(state, key, request.query.get('uploadId'))
  upload()
  const text = request.query.get('partNumber') ?? ''
  const number = Number(text)
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > 10_000) throw cosError('InvalidArgument')

  const piece = await receive(bytes, request)
  try {
    const task = upload() // It may have been completed or aborted while the bytes came in.
    const before = task.parts.get(number)
    task.parts.set(number, {
      number,
      piece,
      lastModified: state.now(),
      receivedTimes: (before?.receivedTimes ?? 0) + 1,
    })
    if (before) await bytes.remove([before.piece])
  } catch (error) {
    await bytes.remove([piece])
    throw error
  }
  return storedReply(piece)
}

/** Takes a whole object at the bare key (docs/smh-protocol.md#5.3). */
export async function putObject(
  state: State,
  bytes: Bytes,
  request: Incoming,
  key: string,
): Promise<Reply> {
  checkAccess(state, request, key)
  openTask(state, key)
  const piece = await receive(bytes, request)
  await keepObject(state, bytes, key, piece)
  return storedReply(piece)
}

/** Makes `piece` the object under `key`, for its task to be confirmed with. */
export async function keepObject(state: State, bytes: Bytes, key: string, piece: Piece) {
  try {
    const task = openTask(state, key)
    const before = task.object
    task.object = piece
    if (before) await bytes.remove([before])
  } catch (error) {
    await bytes.remove([piece])
    throw error
  }
}

/** The headers that COS answers a stored part or object with (docs/smh-protocol.md#11.2). */
export function storedHeaders(piece: Piece): Record<string, string> {
  return { ETag: `"${piece.md5}"`, 'x-cos-hash-crc64ecma': piece.crc64 }
}

function storedReply(piece: Piece): Reply {
  return { status: 200, headers: storedHeaders(piece) }
}

/** The multipart upload of this id under this key, or 404 `NoSuchUpload`. */
export function openUpload(state: State, key: string, uploadId: string | null): Task {
  const task = state.uploads.get(key)
  if (task?.kind !== 'multipart' || task.uploadId !== uploadId || task.state !== 'open') {
    throw cosError('NoSuchUpload')
  }
  return task
}

/** A key takes bytes until its task ends; that it takes none afterwards is (inferred). */
function openTask(state: State, key: string): Task {
  const task = state.uploads.get(key)
  if (task?.state !== 'open') throw cosError('AccessDenied')
  return task
}

async function receive(bytes: Bytes, request: Incoming): Promise<Piece> {
  const declared = request.headers['content-length']
  if (declared === undefined) throw cosError('MissingContentLength')
  if (Number(declared) > MAX_BODY_BYTES) throw cosError('EntityTooLarge')
  checkTrafficLimit(request.headers['x-cos-traffic-limit'])
  const wanted = contentMd5(request.headers['content-md5'])
  let piece: Piece
  try {
    piece = await bytes.store(request.stream, (size) => {
      request.record.bodyBytes += size
    })
  } catch {
    throw cosError(request.stream.complete ? 'InternalError' : 'IncompleteBody')
  }
  if (wanted !== undefined && wanted !== piece.md5) {
    await bytes.remove([piece])
    throw cosError('BadDigest')
  }
  await request.waitAtLastByte()
  return piece
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
