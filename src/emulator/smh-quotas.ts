import { SmhError } from './errors.ts'
import type { Reply } from './http-server.ts'
import { json, jsonBody, type LibraryCall } from './smh-call.ts'
import type { Quota, State } from './state.ts'
import { freeBytes } from './tree.ts'

/** Usage of several spaces (docs/smh-protocol.md#7.2). */
export function spaceUsage(call: LibraryCall, spaceIds: string[]): Reply {
  const { state, token, user } = call
  const overseer = token.grants.has('admin') || token.grants.has('space_admin')
  const usage = spaceIds.map((id) => {
    const space = state.spaces.get(id)
    if (!space) throw new SmhError(404, 'SpaceNotFound')
    if (!token.grants.has('admin') && !token.spaceIds.includes(id)) {
      throw new SmhError(403, 'AccessTokenNotMatchSpace')
    }
    // The stricter of the two published rules: other users see only their own spaces
    // (docs/smh-protocol.md#15).
    if (!overseer && (user === '' || space.userId !== user)) {
      throw new SmhError(403, 'NoPermission')
    }
    const free = freeBytes(state, space)
    return {
      spaceId: id,
      capacity: free ? String(free.quota.capacity) : null,
      availableSpace: free ? String(free.available) : null,
      size: String(space.usedBytes),
    }
  })
  return json(200, usage)
}

/** Usage of the whole library (docs/smh-protocol.md#7.2). */
export function libraryUsage({ state }: LibraryCall): Reply {
  const total = [...state.spaces.values()].reduce((sum, { usedBytes }) => sum + usedBytes, 0)
  return json(200, { totalFileSize: String(total) })
}

/** A quota by space. The older path also takes the quota's number (docs/smh-protocol.md#7.3). */
export function getQuota({ state }: LibraryCall, key: string, byNumber: boolean): Reply {
  const space = state.spaces.get(key)
  if (space) {
    const free = freeBytes(state, space)
    if (!free) throw new SmhError(404, 'NoQuota')
    return json(200, { id: free.quota.id, capacity: String(free.quota.capacity) })
  }
  if (!byNumber || !/^\d+$/.test(key)) throw new SmhError(404, 'SpaceNotFound')
  const quota = state.quotas.get(Number(key))
  if (!quota) throw new SmhError(404, 'QuotaNotFound')
  return json(200, { capacity: String(quota.capacity), spaces: quota.spaces, ...quota.settings })
}

/** Sets a quota for one space, or for several spaces together (docs/smh-protocol.md#7.3). */
export function createQuota({ state, request }: LibraryCall): Reply {
  const body = jsonBody(request)
  const { spaces, capacity, removeWhenExceed, removeAfterDays, removeNewest } = body
  if (!Array.isArray(spaces) || spaces.length === 0) throw new SmhError(400, 'QuotaSpacesInvalid')
  if (!spaces.every((id) => typeof id === 'string' && state.spaces.has(id))) {
    throw new SmhError(400, 'QuotaSpacesInvalid')
  }
  if (capacity === undefined) throw new SmhError(400, 'QuotaCapacityRequired')
  if (!/^\d+$/.test(String(capacity))) throw new SmhError(400, 'QuotaCapacityInvalid')
  const taken = [...state.quotas.values()].flatMap((quota) => quota.spaces)
  if (spaces.some((id) => taken.includes(id))) throw new SmhError(409, 'DuplicateQuota')
  const used = spaces.reduce((sum, id) => sum + (state.spaces.get(id)?.usedBytes ?? 0), 0)
  if (Number(capacity) < used) throw new SmhError(400, 'QuotaCapacityLessThanSize')
  const settings = { removeWhenExceed, removeAfterDays, removeNewest }
  return json(201, { quotaId: addQuota(state, spaces, Number(capacity), settings).id })
}

/** Adds a quota without checks. */
export function addQuota(
  state: State,
  spaces: string[],
  capacity: number,
  settings: Record<string, unknown> = {},
): Quota {
  const id = Math.max(0, ...state.quotas.keys()) + 1
  const quota = { id, spaces, capacity, settings }
  state.quotas.set(id, quota)
  return quota
}
