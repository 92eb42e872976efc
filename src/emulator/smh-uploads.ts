import { formTarget, uploadTarget } from './credentials.ts'
import { descriptionOf, metaDataOf, stringField } from './descriptions.ts'
import { SmhError } from './errors.ts'
import { fileFields } from './file-objects.ts'
import { extensionOf } from './file-types.ts'
import { mayOverwrite } from './grants.ts'
import { chainedHashes, HASH_SEGMENT_BYTES } from './hashes.ts'
import type { Reply } from './http-server.ts'
import { filePath } from './names.ts'
import { json, jsonBody, numberParameter, type SpaceCall, strategyParameter } from './smh-call.ts'
import { type Content, hex, type Task } from './state.ts'
import { checkRoom, checkTarget, placeFile } from './tree.ts'

const HASH = /^[0-9a-fA-F]{64}$/

/** Begins a multipart, simple or form upload (docs/smh-protocol.md#5.2). */
export async function beginUpload(call: SpaceCall, kind: Task['kind']): Promise<Reply> {
  const { state, space, request } = call
  // SMH checks grants before parameters.
  const wantsOverwrite = request.query.get('conflict_resolution_strategy') === 'overwrite'
  if (wantsOverwrite && !mayOverwrite(call.token.grants)) throw new SmhError(403, 'NoPermission')

  const task = readBegin(call, kind)
  const wanted = readHashes(call)
  checkTarget(space, task.path, task.strategy)
  checkRoom(state, space, Math.max(task.fileSize ?? 0, wanted?.size ?? 0))

  const known = wanted && (await findKnown(call, wanted))
  if (known === 'beginning') return { status: 202 }
  if (known && known.references > 0) return instantUpload(call, task, known)

  state.tasks.set(task.confirmKey, task)
  state.uploads.set(task.cosKey, task)
  const target = kind === 'form' ? formTarget(state, task) : uploadTarget(state, task)
  return json(state.variant.beginStatus, {
    ...target,
    confirmKey: task.confirmKey,
    availableDomainNum: 1,
  })
}

function readBegin(call: SpaceCall, kind: Task['kind']): Task {
  const { state, space, request } = call
  const path = filePath(call.rest)
  const fileSize = numberParameter(request.query, 'filesize', 0, Number.MAX_SAFE_INTEGER)
  const trafficLimit = numberParameter(request.query, 'traffic_limit', 102_400, 104_857_600)
  const contentCas = request.query.get('content_cas')
  const sameOrigin = request.query.get('prefer_same_origin')
  if (sameOrigin !== null && !['true', 'false', '1', '0'].includes(sameOrigin)) {
    throw new SmhError(400, 'ParamInvalid', 'prefer_same_origin is not a boolean.')
  }
  // SMH chooses the key. Only the extension of the file's name is in it.
  const extension = extensionOf(path.at(-1) ?? '')
  const suffix = /^[a-z0-9]{1,16}$/.test(extension) ? `.${extension}` : ''
  return {
    ...descriptionOf(jsonBody(request)),
    confirmKey: hex(32),
    kind,
    spaceId: space.id,
    path,
    strategy: strategyParameter(request.query) ?? 'rename',
    ownerUserId: call.user,
    metaData: metaDataOf(request.headers),
    ...(fileSize !== undefined && { fileSize }),
    ...(trafficLimit !== undefined && { trafficLimit }),
    ...(contentCas !== null && { contentCas }),
    cosKey: `/${state.libraryId}/${hex(12)}${suffix}`,
    uploadId: `${Math.floor(state.now() / 1000)}${hex(24)}`,
    createdAt: state.now(),
    state: 'open',
    parts: new Map(),
  }
}

interface WantedHashes {
  beginningHash?: string | undefined
  fullHash?: string | undefined
  size: number
}

function readHashes(call: SpaceCall): WantedHashes | undefined {
  const body = jsonBody(call.request)
  const hashes = ['beginningHash', 'fullHash'].map((name) => {
    const hash = stringField(body, name)
    if (hash !== undefined && !HASH.test(hash)) {
      throw new SmhError(400, 'ParamInvalid', `${name} is not 64 hex digits.`)
    }
    return hash?.toLowerCase()
  })
  const size = stringField(body, 'size')
  if (size !== undefined && !/^\d+$/.test(size)) {
    throw new SmhError(400, 'ParamInvalid', 'size is not a decimal number.')
  }
  const [beginningHash, fullHash] = hashes
  if (size === undefined || !(beginningHash ?? fullHash)) return undefined
  return { beginningHash, fullHash, size: Number(size) }
}

/**
 * Finds stored bytes with these hashes in the whole library (docs/smh-protocol.md#5.9; the scope is
 * inferred). A full hash decides. A matching beginning hash asks for the full hash.
 */
async function findKnown(
  call: SpaceCall,
  wanted: WantedHashes,
): Promise<Content | 'beginning' | undefined> {
  if (wanted.size < HASH_SEGMENT_BYTES) return undefined
  for (const content of [...call.state.objects.values()]) {
    if (content.size !== wanted.size) continue
    const hashes = await hashesOf(call, content)
    if (!hashes) continue
    const { beginningHash, fullHash } = hashes
    if (wanted.beginningHash !== undefined && wanted.beginningHash !== beginningHash) continue
    if (wanted.fullHash === undefined) return 'beginning'
    if (wanted.fullHash === fullHash) return content
  }
  return undefined
}

/** Undefined when the last file with this content has been deleted in the meantime. */
async function hashesOf(call: SpaceCall, content: Content): Promise<Content['hashes']> {
  try {
    content.hashes ??= await chainedHashes(call.blobStore.read(content.blobs))
  } catch (error) {
    if (content.references > 0) throw error
  }
  return content.references > 0 ? content.hashes : undefined
}

function instantUpload(call: SpaceCall, task: Task, content: Content): Reply {
  const { node, path, isOverwritten } = placeFile(call.state, call.blobStore, call.space, {
    ...task,
    userId: task.ownerUserId,
    content,
    expectedContentCas: task.contentCas,
  })
  return json(200, { path, name: node.name, ...fileFields(node), isOverwritten })
}
