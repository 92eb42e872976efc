import { SmhError } from './errors.ts'
import type { Reply } from './http-server.ts'
import { directoryPath } from './names.ts'
import { json, numberParameter, type SpaceCall } from './smh-call.ts'
import { nodeFields } from './smh-directories.ts'
import type { Node } from './state.ts'
import { findDirectory } from './tree.ts'

/** Lists a directory by page or by marker. Default: by marker (docs/smh-protocol.md#6.6). */
export function listDirectory(call: SpaceCall): Reply {
  const { query } = call.request
  const path = directoryPath(call.rest)
  const nodes = selectNodes(findDirectory(call.space, path).children.values(), query)
  return query.has('by-page') ? page(path, nodes, query) : afterMarker(path, nodes, query)
}

function selectNodes(children: Iterable<Node>, query: URLSearchParams): Node[] {
  const filter = query.get('filter')
  const prefix = query.get('prefix') ?? ''
  const direction = query.get('order_by_type') === 'desc' ? -1 : 1
  const orderBy = query.get('order_by') ?? 'name'
  const keyOf = SORT_KEYS[orderBy]
  if (!keyOf) throw new SmhError(400, 'ParamInvalid', 'order_by is unknown.')
  return [...children]
    .filter(({ kind }) => (filter === 'onlyDir' ? kind === 'dir' : true))
    .filter(({ kind }) => (filter === 'onlyFile' ? kind === 'file' : true))
    .filter(({ name }) => name.startsWith(prefix))
    .sort((a, b) => direction * (compare(keyOf(a), keyOf(b)) || compare(a.name, b.name)))
}

/** The orders that SDKs name. SMH does not publish its list (inferred). */
const SORT_KEYS: Record<string, (node: Node) => string | number> = {
  name: ({ name }) => name,
  creationTime: ({ creationTime }) => creationTime,
  modificationTime: ({ modificationTime }) => modificationTime,
  size: (node) => (node.kind === 'file' ? node.content.size : 0),
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function afterMarker(path: string[], nodes: Node[], query: URLSearchParams): Reply {
  const limit = numberParameter(query, 'limit', 1, 1000) ?? 20
  const marker = query.get('marker') ?? ''
  const start = marker === '' ? 0 : nodes.findIndex(({ inode }) => inode === marker)
  if (start < 0) throw new SmhError(404, 'MarkerNotFound')
  const next = nodes[start + limit]
  return json(200, {
    path,
    ...(next && { nextMarker: next.inode }),
    contents: contentsOf(nodes.slice(start, start + limit), query),
  })
}

function page(path: string[], nodes: Node[], query: URLSearchParams): Reply {
  const size = numberParameter(query, 'page_size', 1, 1000) ?? 20
  const number = numberParameter(query, 'page', 1, Number.MAX_SAFE_INTEGER) ?? 1
  const files = nodes.filter(({ kind }) => kind === 'file').length
  return json(200, {
    path,
    totalNum: nodes.length,
    fileCount: files,
    subDirCount: nodes.length - files,
    contents: contentsOf(nodes.slice((number - 1) * size, number * size), query),
  })
}

function contentsOf(nodes: Node[], query: URLSearchParams) {
  const withInode = query.get('with_inode') === '1'
  return nodes.map((node) => ({
    ...nodeFields(node),
    userId: node.userId,
    ...(withInode && { inode: node.inode }),
  }))
}
