import type { BlobStore } from './blob-store.ts'
import { SmhError } from './errors.ts'
import { MAX_NAME_CHARACTERS, numberedName } from './names.ts'
import {
  type ConflictStrategy,
  type Content,
  type Description,
  type DirectoryNode,
  type FileNode,
  hex,
  type Node,
  type Space,
  type State,
} from './state.ts'

/** The node at `path`, the root for an empty path. Names are case-sensitive. */
export function findNode(space: Space, path: readonly string[]): Node | undefined {
  let node: Node | undefined = space.root
  for (const name of path) node = node?.kind === 'dir' ? node.children.get(name) : undefined
  return node
}

/** The directory at `path`, or 404 `DirectoryNotFound`. */
export function findDirectory(space: Space, path: readonly string[]): DirectoryNode {
  const node = findNode(space, path)
  if (node?.kind !== 'dir') throw new SmhError(404, 'DirectoryNotFound')
  return node
}

/** The file at `path`, or 404 `FileNotFound`. */
export function findFile(space: Space, path: readonly string[]): FileNode {
  const node = findNode(space, path)
  if (node?.kind !== 'file') throw new SmhError(404, 'FileNotFound')
  return node
}

/** Applies the conflict rules of docs/smh-protocol.md#5.10 that a begin can check. */
export function checkTarget(space: Space, path: readonly string[], strategy: ConflictStrategy) {
  findDirectory(space, path.slice(0, -1))
  const taken = findNode(space, path)
  if (!taken || strategy === 'rename') return
  if (strategy === 'ask' || taken.kind === 'dir') {
    throw new SmhError(409, 'SameNameDirectoryOrFileExists')
  }
}

/** `name`, or its first free numbered form (docs/smh-protocol.md#14.5). */
export function freeName(directory: DirectoryNode, name: string, kind: 'file' | 'dir'): string {
  if (!directory.children.has(name)) return name
  for (let number = 1; ; number += 1) {
    const candidate = numberedName(name, number, kind)
    // SMH does not publish its response when the number makes the name too long (inferred).
    if ([...candidate].length > MAX_NAME_CHARACTERS) throw new SmhError(409, 'RenameTooManyTimes')
    if (!directory.children.has(candidate)) return candidate
  }
}

export interface NewFile extends Description {
  path: readonly string[]
  strategy: ConflictStrategy
  userId: string
  metaData: Record<string, string>
  content: Content
  expectedContentCas?: string | undefined
}

export interface PlacedFile {
  node: FileNode
  path: string[]
  isOverwritten: boolean
}

/**
 * Adds a file to the tree by the conflict rules of docs/smh-protocol.md#5.10. It is synchronous: of two
 * calls for one name, the second one always finds the first file.
 */
export function placeFile(
  state: State,
  blobStore: BlobStore,
  space: Space,
  file: NewFile,
): PlacedFile {
  checkTarget(space, file.path, file.strategy)
  const parentPath = file.path.slice(0, -1)
  const parent = findDirectory(space, parentPath)
  const wanted = file.path.at(-1) ?? ''
  const taken = parent.children.get(wanted)
  const replaced = file.strategy === 'overwrite' && taken?.kind === 'file' ? taken : undefined
  const cas = file.expectedContentCas
  if (replaced && cas !== undefined && cas !== replaced.contentCas) {
    throw new SmhError(409, 'ContentCasConflict')
  }
  checkRoom(state, space, file.content.size - (replaced?.content.size ?? 0))
  const name = replaced ? wanted : freeName(parent, wanted, 'file')
  const now = state.now()
  const { labels, category, localCreationTime, localModificationTime } = file
  const node: FileNode = {
    kind: 'file',
    name,
    inode: replaced?.inode ?? hex(16),
    userId: file.userId,
    creationTime: replaced?.creationTime ?? now,
    modificationTime: now,
    content: file.content,
    contentCas: hex(8),
    ...(Object.keys(file.metaData).length > 0 && { metaData: file.metaData }),
    ...(labels && { labels }),
    ...(category !== undefined && { category }),
    ...(localCreationTime !== undefined && { localCreationTime }),
    ...(localModificationTime !== undefined && { localModificationTime }),
  }
  file.content.references += 1
  state.objects.set(file.content.cosKey, file.content)
  space.usedBytes += file.content.size
  if (replaced) releaseFile(state, blobStore, space, replaced)
  parent.children.set(name, node)
  return { node, path: [...parentPath, name], isOverwritten: replaced !== undefined }
}

/** Removes a node and its content from the tree. */
export function removeNode(
  state: State,
  blobStore: BlobStore,
  space: Space,
  path: readonly string[],
) {
  const node = findNode(space, path)
  const name = path.at(-1)
  if (!node || name === undefined) return
  for (const { node: file } of filesUnder(node, [])) releaseFile(state, blobStore, space, file)
  findDirectory(space, path.slice(0, -1)).children.delete(name)
}

/** Every file at or below `node`, with its path. */
export function* filesUnder(
  node: Node,
  path: string[],
): Generator<{ node: FileNode; path: string[] }> {
  if (node.kind === 'file') yield { node, path }
  else for (const child of node.children.values()) yield* filesUnder(child, [...path, child.name])
}

/** Every directory below `node`, with its path. */
export function* directoriesUnder(node: DirectoryNode, path: string[]): Generator<string[]> {
  for (const child of node.children.values()) {
    if (child.kind !== 'dir') continue
    yield [...path, child.name]
    yield* directoriesUnder(child, [...path, child.name])
  }
}

/** The quota of a space, if any, and its free bytes. */
export function freeBytes(state: State, space: Space) {
  const quota = [...state.quotas.values()].find(({ spaces }) => spaces.includes(space.id))
  if (!quota) return undefined
  const used = quota.spaces.reduce((sum, id) => sum + (state.spaces.get(id)?.usedBytes ?? 0), 0)
  return { quota, available: Math.max(0, quota.capacity - used) }
}

/** 400 `QuotaLimitReached` when `bytes` more bytes do not fit. */
export function checkRoom(state: State, space: Space, bytes: number) {
  const free = freeBytes(state, space)
  if (free && bytes > free.available) throw new SmhError(400, 'QuotaLimitReached')
}

function releaseFile(state: State, blobStore: BlobStore, space: Space, file: FileNode) {
  space.usedBytes -= file.content.size
  file.content.references -= 1
  if (file.content.references > 0) return
  state.objects.delete(file.content.cosKey)
  // Runs in the background. A reader with an open file keeps its bytes.
  void blobStore.remove(file.content.blobs)
}
