import type { BlobStore } from './blob-store.ts'
import { SmhError } from './errors.ts'
import type { Incoming, Reply } from './http-server.ts'
import type { ConflictStrategy, Space, State, Token } from './state.ts'

/** A call with a valid token and without a space. */
export interface LibraryCall {
  state: State
  blobStore: BlobStore
  request: Incoming
  token: Token
  /** The user that the call acts for (docs/smh-protocol.md#3.9). */
  user: string
}

/** A call in a space. `rest` is the decoded path after the space's id. */
export interface SpaceCall extends LibraryCall {
  space: Space
  rest: string
}

/** A JSON response. */
export function json(status: number, body: unknown): Reply {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8' },
    body: JSON.stringify(body),
  }
}

/** The body as an object, {} for an empty body (docs/smh-protocol.md#2). */
export function jsonBody(request: Incoming): Record<string, unknown> {
  if (request.body === '') return {}
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new SmhError(400, 'ParamInvalid', 'Body is not JSON.')
  let body: unknown
  try {
    body = JSON.parse(request.body)
  } catch {
    throw new SmhError(400, 'BadRequest', 'Malformed JSON.')
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new SmhError(400, 'ParamInvalid', 'Body is not an object.')
  }
  return body as Record<string, unknown>
}

/** A decimal query parameter within bounds. Undefined when it is absent. */
export function numberParameter(
  query: URLSearchParams,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new SmhError(400, 'ParamInvalid', `${name} is out of range.`)
  }
  return value
}

/** `conflict_resolution_strategy`, one of `allowed`. Undefined when it is absent. */
export function strategyParameter(
  query: URLSearchParams,
  allowed: readonly ConflictStrategy[] = ['ask', 'rename', 'overwrite'],
): ConflictStrategy | undefined {
  const text = query.get('conflict_resolution_strategy')
  if (text === null) return undefined
  const strategy = allowed.find((candidate) => candidate === text)
  if (!strategy) throw new SmhError(400, 'InvalidConflictResolutionStrategy')
  return strategy
}
