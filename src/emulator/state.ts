import { randomBytes } from 'node:crypto'
import type { Blob } from './blob-store.ts'

export type ConflictStrategy = 'ask' | 'rename' | 'overwrite'

export interface Token {
  value: string
  spaceIds: string[]
  userId: string
  clientId: string
  sessionId: string
  grants: ReadonlySet<string>
  periodMs: number
  expiresAt: number
}

/** What COS stores under one key. Files made by instant upload share it. */
export interface Content {
  cosKey: string
  blobs: Blob[]
  size: number
  crc64: string
  eTag: string
  contentType: string
  lastModified: number
  references: number
  /** Computed when a begin with hashes first asks (docs/smh-protocol.md#5.9). */
  hashes?: { beginningHash: string; fullHash: string }
}

/** What an uploader may say about a file besides its bytes. */
export interface Description {
  labels?: string[]
  category?: string
  localCreationTime?: string
  localModificationTime?: string
}

interface NodeBase extends Description {
  name: string
  inode: string
  userId: string
  creationTime: number
  modificationTime: number
  metaData?: Record<string, string>
}

export interface FileNode extends NodeBase {
  kind: 'file'
  content: Content
  contentCas: string
}

export interface DirectoryNode extends NodeBase {
  kind: 'dir'
  children: Map<string, Node>
}

export type Node = FileNode | DirectoryNode

export interface Space {
  id: string
  userId: string
  creationTime: number
  root: DirectoryNode
  usedBytes: number
  extension: Record<string, unknown>
}

export interface Quota {
  id: number
  spaces: string[]
  capacity: number
  settings: Record<string, unknown>
}

/** A part as COS holds it. */
export interface Part {
  number: number
  blob: Blob
  lastModified: number
  receivedTimes: number
}

export interface Task extends Description {
  confirmKey: string
  kind: 'multipart' | 'simple' | 'form'
  spaceId: string
  path: string[]
  strategy: ConflictStrategy
  ownerUserId: string
  metaData: Record<string, string>
  fileSize?: number
  contentCas?: string
  cosKey: string
  uploadId: string
  trafficLimit?: number
  createdAt: number
  state: 'open' | 'confirmed' | 'cancelled'
  finalPath?: string[]
  parts: Map<number, Part>
  /** The whole object, when it was sent at once (simple and form uploads). */
  object?: Blob
}

/** Temporary COS keys; several may be valid for one task. */
export interface Credential {
  secretId: string
  secretKey: string
  securityToken: string
  cosKey: string
  notAfter: number
}

export interface Variant {
  /** Older pages answer a created task with 200 (docs/smh-protocol.md#15). */
  beginStatus: 200 | 201
  uploadIncompleteStatus: 404 | 400
  /** Which spelling of `?multipart` is taken: bare as the pages have it, or `=1`. */
  flags: 'any' | 'bare' | 'valued'
}

/** Everything the emulator knows; `start` hands it to each side. */
export interface State {
  readonly libraryId: string
  /** All that are valid; the newest is first. */
  librarySecrets: readonly string[]
  readonly multiTenant: boolean
  credentialTtlMs: number
  readonly corsOrigins: readonly string[]
  readonly cosScheme: 'http' | 'https'
  /** host:port of the COS side, known once it listens. */
  cosDomain: string
  clockOffsetMs: number
  now(): number
  tokens: Map<string, Token>
  spaces: Map<string, Space>
  tasks: Map<string, Task>
  /** Tasks by COS key. */
  uploads: Map<string, Task>
  credentials: Map<string, Credential>
  objects: Map<string, Content>
  quotas: Map<number, Quota>
  variant: Variant
  extraReplyFields: Record<string, unknown>
}

export type StateOptions = Pick<
  State,
  'libraryId' | 'librarySecrets' | 'multiTenant' | 'credentialTtlMs' | 'corsOrigins' | 'cosScheme'
> & { spaces: readonly string[]; clock: () => number }

/** An empty library: the space `-`, or the listed spaces of a multi-tenant one. */
export function createState(options: StateOptions): State {
  const { spaces: _, clock, ...settings } = options
  const state: State = {
    ...settings,
    cosDomain: '',
    clockOffsetMs: 0,
    now: () => clock() + state.clockOffsetMs,
    tokens: new Map(),
    spaces: new Map(),
    tasks: new Map(),
    uploads: new Map(),
    credentials: new Map(),
    objects: new Map(),
    quotas: new Map(),
    variant: { beginStatus: 201, uploadIncompleteStatus: 404, flags: 'any' },
    extraReplyFields: {},
  }
  resetState(state, options)
  return state
}

/** Back to the empty library; id, secret and address stay. */
export function resetState(state: State, options: Pick<StateOptions, 'spaces'>): void {
  for (const map of [state.tokens, state.spaces, state.tasks, state.uploads]) map.clear()
  for (const map of [state.credentials, state.objects, state.quotas]) map.clear()
  state.clockOffsetMs = 0
  state.variant = { beginStatus: 201, uploadIncompleteStatus: 404, flags: 'any' }
  state.extraReplyFields = {}
  for (const id of state.multiTenant ? options.spaces : ['-']) addSpace(state, id, '')
}

/** Makes an empty space. */
export function addSpace(state: State, id: string, userId: string): Space {
  const creationTime = state.now()
  const root: DirectoryNode = {
    kind: 'dir',
    name: '',
    inode: hex(16),
    userId,
    creationTime,
    modificationTime: creationTime,
    children: new Map(),
  }
  const space = { id, userId, creationTime, root, usedBytes: 0, extension: {} }
  state.spaces.set(id, space)
  return space
}

/** Random lower-case hex of so many bytes. */
export function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}

/** SMH's way to write a time: ISO 8601 with milliseconds and Z (docs/smh-protocol.md#14.5). */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
