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

/** The object under one COS key. Files of instant uploads share it. */
export interface Content {
  cosKey: string
  blobs: Blob[]
  size: number
  crc64: string
  eTag: string
  contentType: string
  lastModified: number
  references: number
  /** Computed for the first begin with hashes (docs/smh-protocol.md#5.9). */
  hashes?: { beginningHash: string; fullHash: string }
}

/** Optional details of a file. */
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

/** A stored part. */
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
  /** The whole object of a simple or form upload. */
  object?: Blob
}

/** Temporary COS keys. A task may have several valid ones. */
export interface Credential {
  secretId: string
  secretKey: string
  securityToken: string
  cosKey: string
  notAfter: number
}

export interface Variant {
  /** Older pages document 200 for a new task (docs/smh-protocol.md#15). */
  beginStatus: 200 | 201
  uploadIncompleteStatus: 404 | 400
  /** The accepted spelling of `?multipart`: bare as the pages have it, or `=1`. */
  flags: 'any' | 'bare' | 'valued'
}

/** The state that the SMH server and the COS server share. */
export interface State {
  readonly libraryId: string
  /** All valid secrets, newest first. */
  librarySecrets: readonly string[]
  readonly multiTenant: boolean
  credentialTtlMs: number
  readonly corsOrigins: readonly string[]
  readonly cosScheme: 'http' | 'https'
  /** host:port of COS, known after it listens. */
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

/** Creates an empty library with the space `-`, or with the listed spaces of a multi-tenant library. */
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

/** Empties the library. Id, secret and address stay. */
export function resetState(state: State, options: Pick<StateOptions, 'spaces'>): void {
  for (const map of [state.tokens, state.spaces, state.tasks, state.uploads]) map.clear()
  for (const map of [state.credentials, state.objects, state.quotas]) map.clear()
  state.clockOffsetMs = 0
  state.variant = { beginStatus: 201, uploadIncompleteStatus: 404, flags: 'any' }
  state.extraReplyFields = {}
  for (const id of state.multiTenant ? options.spaces : ['-']) addSpace(state, id, '')
}

/** Adds an empty space. */
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

/** Random bytes as lower-case hex. */
export function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}

/** SMH's format of times: ISO 8601 with milliseconds and Z (docs/smh-protocol.md#14.5). */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
