import type { Blob } from './blob-store.ts'
import { uploadTarget } from './credentials.ts'
import { descriptionOf, stringField } from './descriptions.ts'
import { SmhError } from './errors.ts'
import { fileFields } from './file-objects.ts'
import { fileTypeOf } from './file-types.ts'
import { mayOverwrite } from './grants.ts'
import { combineCrc64, multipartETag } from './hashes.ts'
import type { Reply } from './http-server.ts'
import { json, jsonBody, numberParameter, type SpaceCall, strategyParameter } from './smh-call.ts'
import { type Content, isoTime, type Part, type State, type Task } from './state.ts'
import { findNode, placeFile } from './tree.ts'

/** Minimum size of all parts but the last one (docs/smh-protocol.md#9). */
const MIN_PART_BYTES = 1024 * 1024

/** Parts in ascending order. */
export function orderedParts(task: Task): Part[] {
  return [...task.parts.values()].sort((a, b) => a.number - b.number)
}

/** The caller's task. A cancelled task counts as unknown (docs/smh-protocol.md#5.6). */
function findTask(call: SpaceCall): Task {
  const task = call.state.tasks.get(call.rest)
  if (!task || task.spaceId !== call.space.id || task.state === 'cancelled') {
    throw new SmhError(404, 'UploadNotFound')
  }
  // docs/smh-protocol.md#3.9: an admin token without a user has access to every task (inferred).
  const overseer = call.user === '' && call.token.grants.has('admin')
  if (!overseer && task.ownerUserId !== call.user) throw new SmhError(403, 'UploadNotBelongYou')
  return task
}

function findOpenTask(call: SpaceCall): Task {
  const task = findTask(call)
  if (task.state === 'confirmed') throw new SmhError(409, 'UploadComplete')
  return task
}

/**
 * New COS credentials for a multipart task. Older credentials stay valid
 * (docs/smh-protocol.md#5.5).
 */
export function renewUpload(call: SpaceCall): Reply {
  const task = findOpenTask(call)
  if (task.kind !== 'multipart') throw new SmhError(400, 'NotMultipartUpload')
  const limit = numberParameter(call.request.query, 'traffic_limit', 102_400, 104_857_600)
  if (limit !== undefined) task.trafficLimit = limit
  return json(200, {
    ...uploadTarget(call.state, task),
    confirmKey: task.confirmKey,
    availableDomainNum: 1,
  })
}

/** The state of a task (docs/smh-protocol.md#5.6). */
export function uploadStatus(call: SpaceCall): Reply {
  const { state, space, request } = call
  const task = findTask(call)
  const path = task.finalPath ?? task.path
  const parent = findNode(space, path.slice(0, -1))
  const open = task.state === 'open'
  return json(200, {
    confirmed: !open,
    path: parent?.kind === 'dir' ? path : null,
    type: fileTypeOf(path.at(-1) ?? '').type,
    creationTime: isoTime(task.createdAt),
    conflictResolutionStrategy: task.strategy,
    force: task.strategy === 'overwrite',
    availableDomainNum: 1,
    ...(open && task.kind === 'multipart' && multipartFields(state, task, request.query)),
  })
}

function multipartFields(state: State, task: Task, query: URLSearchParams) {
  return {
    uploadId: task.uploadId,
    parts: orderedParts(task).map(({ number, blob, lastModified }) => ({
      PartNumber: number,
      LastModified: isoTime(lastModified),
      ETag: `"${blob.md5}"`,
      Size: blob.size,
    })),
    // Only SDKs document `no_upload_part_info` (docs/smh-protocol.md#5.6).
    ...(query.get('no_upload_part_info') !== '1' && { uploadPartInfo: uploadTarget(state, task) }),
  }
}

/** Cancels a task. COS deletes its parts (docs/smh-protocol.md#5.8). */
export function cancelUpload(call: SpaceCall): Reply {
  const task = findOpenTask(call)
  task.state = 'cancelled'
  const left = [...task.parts.values()].map(({ blob }) => blob)
  if (task.object) left.push(task.object)
  void call.blobStore.remove(left)
  return { status: 204 }
}

/**
 * Creates the file (docs/smh-protocol.md#5.7). It is synchronous from the check of the task to the file in
 * the tree: of two concurrent confirms, exactly one succeeds.
 */
export function confirmUpload(call: SpaceCall): Reply {
  const { state, blobStore, space, request } = call
  const body = jsonBody(request)
  const description = descriptionOf(body)
  const crc64 = stringField(body, 'crc64')
  if (crc64 !== undefined && !/^\d{1,20}$/.test(crc64)) {
    throw new SmhError(400, 'ParamInvalid', 'crc64 is not a decimal number.')
  }
  const strategy = strategyParameter(request.query)
  const task = findOpenTask(call)
  // Confirm needs the same grant for `overwrite` as begin (inferred, docs/smh-protocol.md#16.7).
  if (strategy === 'overwrite' && task.strategy !== strategy && !mayOverwrite(call.token.grants)) {
    throw new SmhError(403, 'NoPermission')
  }
  const content = contentOf(state, task)
  if (crc64 !== undefined && BigInt(crc64) !== BigInt(content.crc64)) {
    throw new SmhError(400, 'BadCrc64')
  }
  const { node, path, isOverwritten } = placeFile(state, blobStore, space, {
    ...task,
    ...description,
    strategy: strategy ?? task.strategy,
    userId: task.ownerUserId,
    content,
    expectedContentCas: request.query.get('content_cas') ?? task.contentCas,
  })
  task.state = 'confirmed'
  task.strategy = strategy ?? task.strategy
  task.finalPath = path
  task.parts.clear()
  return json(200, {
    path,
    name: node.name,
    ...fileFields(node),
    isOverwritten,
    ...(request.query.get('with_inode') === '1' && { inode: node.inode }),
    ...(request.query.get('with_content_cas') === '1' && { contentCas: node.contentCas }),
  })
}

function contentOf(state: State, task: Task): Content {
  const blobs = task.kind === 'multipart' ? completeParts(task) : sentObject(state, task)
  const [first] = blobs
  return {
    cosKey: task.cosKey,
    blobs,
    size: blobs.reduce((sum, { size }) => sum + size, 0),
    crc64: combineCrc64(blobs),
    eTag: task.kind === 'multipart' || !first ? multipartETag(blobs) : `"${first.md5}"`,
    contentType: fileTypeOf(task.path.at(-1) ?? '').contentType,
    lastModified: state.now(),
    references: 0,
  }
}

function completeParts(task: Task): Blob[] {
  const parts = orderedParts(task)
  // SMH requires the numbers 1 to n (docs/smh-protocol.md#1.2). COS itself allows gaps.
  if (parts.length === 0 || parts.some(({ number }, index) => number !== index + 1)) {
    throw new SmhError(400, 'MultipartUploadIncomplete')
  }
  if (parts.slice(0, -1).some(({ blob }) => blob.size < MIN_PART_BYTES)) {
    throw new SmhError(400, 'MultipartUploadPartTooSmall')
  }
  return parts.map(({ blob }) => blob)
}

function sentObject(state: State, task: Task): Blob[] {
  if (!task.object) throw new SmhError(state.variant.uploadIncompleteStatus, 'UploadIncomplete')
  return [task.object]
}
