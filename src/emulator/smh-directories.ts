import { descriptionOf } from './descriptions.ts'
import { SmhError } from './errors.ts'
import { describedFields, fileFields } from './file-objects.ts'
import type { Reply } from './http-server.ts'
import { directoryPath } from './names.ts'
import { json, jsonBody, type SpaceCall, strategyParameter } from './smh-call.ts'
import { type DirectoryNode, hex, isoTime, type Node } from './state.ts'
import { findDirectory, findNode, freeName, removeNode } from './tree.ts'

/** Whether a directory exists (docs/smh-protocol.md#6.4). A file is not a directory (inferred). */
export function directoryHead(call: SpaceCall): Reply {
  findDirectory(call.space, directoryPath(call.rest))
  return { status: 200 }
}

/** Details of a file or a directory (docs/smh-protocol.md#6.3). */
export function directoryInfo(call: SpaceCall): Reply {
  const path = directoryPath(call.rest)
  const node = findNode(call.space, path)
  if (!node) throw new SmhError(404, 'PathNotFound')
  return json(200, {
    path,
    ...nodeFields(node),
    userId: node.userId,
    ...(node.kind === 'file' && describedFields(node)),
    ...(call.request.query.get('with_inode') === '1' && { inode: node.inode }),
  })
}

/** A node in details and in lists. */
export function nodeFields(node: Node) {
  if (node.kind === 'file') return { name: node.name, ...fileFields(node) }
  return {
    name: node.name,
    type: 'dir',
    creationTime: isoTime(node.creationTime),
    modificationTime: isoTime(node.modificationTime),
    eTag: `"${node.inode}"`,
    ...(node.metaData && { metaData: node.metaData }),
    ...(node.labels && { labels: node.labels }),
  }
}

/**
 * Creates a directory and its missing ancestors (docs/smh-protocol.md#6.5). It is synchronous: of two
 * concurrent calls, one gets 201 and the other one 409.
 */
export function createDirectory(call: SpaceCall): Reply {
  const { space, request } = call
  const path = directoryPath(call.rest)
  const strategy = strategyParameter(request.query, ['ask', 'rename']) ?? 'ask'
  const body = jsonBody(request)
  const description = descriptionOf(body)
  const metaData = metaDataField(body)
  const wanted = path.at(-1)
  if (wanted === undefined) throw new SmhError(400, 'RootDirectoryNotAllowed')

  const ancestors = path.slice(0, -1)
  for (const depth of ancestors.keys()) {
    // A file among the ancestors is a conflict for every strategy.
    if (findNode(space, ancestors.slice(0, depth + 1))?.kind === 'file') {
      throw new SmhError(409, 'SameNameDirectoryOrFileExists')
    }
  }
  if (strategy === 'ask' && findNode(space, path)) {
    throw new SmhError(409, 'SameNameDirectoryOrFileExists')
  }
  let parent = space.root
  for (const name of ancestors) {
    const child = parent.children.get(name)
    parent = child?.kind === 'dir' ? child : addDirectory(call, parent, name)
  }
  const name = freeName(parent, wanted, 'dir')
  const directory = addDirectory(call, parent, name)
  Object.assign(directory, description, metaData && { metaData })
  return json(201, {
    creationTime: isoTime(directory.creationTime),
    path: [...ancestors, name],
    ...(request.query.get('with_inode') === '1' && { inode: directory.inode }),
    ...(metaData && { metaData }),
    ...description,
  })
}

function addDirectory(call: SpaceCall, parent: DirectoryNode, name: string): DirectoryNode {
  const now = call.state.now()
  const directory: DirectoryNode = {
    kind: 'dir',
    name,
    inode: hex(16),
    userId: call.user,
    creationTime: now,
    modificationTime: now,
    children: new Map(),
  }
  parent.children.set(name, directory)
  return directory
}

function metaDataField(body: Record<string, unknown>): Record<string, string> | undefined {
  const metaData = body.metaData
  if (metaData === undefined) return undefined
  const entries = Object.entries(metaData ?? {})
  const fine = entries.every(([name, value]) => typeof value === 'string' && !/[A-Z]/.test(name))
  if (typeof metaData !== 'object' || !fine) throw new SmhError(400, 'ParamInvalid')
  return Object.fromEntries(entries)
}

/** Deletes a directory and its content, without a recycle bin (inferred, docs/smh-protocol.md#6.7). */
export function deleteDirectory(call: SpaceCall): Reply {
  const path = directoryPath(call.rest)
  if (path.length === 0) throw new SmhError(400, 'RootDirectoryNotAllowed')
  findDirectory(call.space, path)
  removeNode(call.state, call.blobStore, call.space, path)
  return { status: 204 }
}
