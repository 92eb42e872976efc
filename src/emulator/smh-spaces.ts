import { SmhError } from './errors.ts'
import type { Reply } from './http-server.ts'
import { json, jsonBody, type LibraryCall, numberParameter, type SpaceCall } from './smh-call.ts'
import { addSpace, hex, isoTime } from './state.ts'
import { filesUnder, removeNode } from './tree.ts'

/** 2 to 32 characters, without a hyphen at either end (docs/smh-protocol.md#7.1). */
const SPACE_ID = /^[a-z0-9][a-z0-9-]{0,30}[a-z0-9]$/

/** Creates a tenant space (docs/smh-protocol.md#7.1). */
export function createSpace(call: LibraryCall): Reply {
  const { state, request } = call
  if (!state.multiTenant) throw new SmhError(400, 'NotMultiSpaceLibrary')
  const id = request.query.get('space_id') ?? `space${hex(8)}`
  if (!SPACE_ID.test(id)) throw new SmhError(400, 'SpaceIdInvalid')
  // SMH does not publish its response for an existing id (inferred).
  if (state.spaces.has(id)) throw new SmhError(409, 'SpaceIdInvalid')
  const space = addSpace(state, id, call.user)
  Object.assign(space.extension, jsonBody(request))
  return json(201, { spaceId: id })
}

/** Lists all spaces, or those of the caller, in order of creation (docs/smh-protocol.md#7.1). */
export function listSpaces(call: LibraryCall): Reply {
  const { state, request, token, user } = call
  const limit = numberParameter(request.query, 'limit', 1, 1000) ?? 1000
  const all = token.grants.has('admin') || token.grants.has('space_admin')
  const spaces = [...state.spaces.values()].filter((space) => all || space.userId === user)
  const marker = request.query.get('marker')
  const start = marker ? spaces.findIndex(({ id }) => id === marker) : 0
  if (start < 0) throw new SmhError(404, 'MarkerNotFound')
  const next = spaces[start + limit]
  return json(200, {
    list: spaces.slice(start, start + limit).map(({ id, userId, creationTime }) => ({
      spaceId: id,
      userId,
      creationTime: isoTime(creationTime),
    })),
    ...(next && { marker: next.id }),
  })
}

/** A space's properties (docs/smh-protocol.md#7.1). */
export function spaceExtension(call: SpaceCall): Reply {
  const defaults = { isPublicRead: false, isMultiAlbum: false, recognizeSensitiveContent: false }
  return json(200, { ...defaults, ...call.space.extension })
}

/** Changes a space's properties (docs/smh-protocol.md#7.1). */
export function setSpaceExtension(call: SpaceCall): Reply {
  Object.assign(call.space.extension, jsonBody(call.request))
  return { status: 204 }
}

/** Accepts a download limit, which has no effect in the emulator. */
export function setTrafficLimit(call: SpaceCall): Reply {
  jsonBody(call.request)
  return { status: 204 }
}

/** Total size of all files in a space (docs/smh-protocol.md#7.1). */
export function spaceSize(call: SpaceCall): Reply {
  return json(200, { size: String(call.space.usedBytes) })
}

/** Deletes a space. A space with files needs `force=1` (docs/smh-protocol.md#7.1). */
export function deleteSpace(call: SpaceCall): Reply {
  const { state, blobStore, space, request } = call
  if (!state.multiTenant) throw new SmhError(400, 'NotMultiSpaceLibrary')
  const [file] = filesUnder(space.root, [])
  if (file && request.query.get('force') !== '1') throw new SmhError(409, 'SpaceNotEmpty')
  for (const name of [...space.root.children.keys()]) removeNode(state, blobStore, space, [name])
  state.spaces.delete(space.id)
  return { status: 204 }
}
