import { SmhError } from './errors.ts'
import type { Incoming } from './http-server.ts'
import type { RouteName } from './route-names.ts'
import type { Variant } from './state.ts'

/** The route of a call: its name, and the parts of its path, not yet decoded. */
export interface SmhRoute {
  name: RouteName
  library: string
  space: string
  rest: string
}

type Names = Partial<Record<string, RouteName>>

/** Calls without a flag, by kind of resource and method (docs/smh-protocol.md#14.2). */
const PLAIN: Record<string, Names> = {
  file: {
    POST: 'begin-form',
    PUT: 'begin-simple',
    GET: 'file-download',
    HEAD: 'file-head',
    DELETE: 'file-delete',
  },
  directory: {
    PUT: 'create-directory',
    GET: 'directory-list',
    HEAD: 'directory-head',
    DELETE: 'directory-delete',
  },
}

/** Flags in the order in which SMH reads them (docs/smh-protocol.md#14.2). */
const FLAGS: Record<string, [flag: string, name: RouteName][]> = {
  'file POST': [
    ['multipart', 'begin-multipart'],
    ['confirm', 'confirm'],
    ['renew', 'renew'],
  ],
  'file GET': [
    ['upload', 'status'],
    ['info', 'file-info'],
  ],
  'file DELETE': [['upload', 'cancel']],
  'directory GET': [['info', 'directory-info']],
}

/** Flags of operations that the emulator lacks, by kind of resource and method. */
const NOT_EMULATED: Record<string, string[]> = {
  'file POST': ['uncompress'],
  'file PUT': ['convert', 'virtual_file'],
  'file GET': ['preview', 'zip-preview', 'transcoding_template_id'],
  'directory POST': ['update'],
  'directory PUT': ['calibrate'],
  'directory GET': ['stats'],
}

const ALL_FLAGS = new Set([
  ...Object.values(FLAGS).flatMap((flags) => flags.map(([flag]) => flag)),
  ...Object.values(NOT_EMULATED).flat(),
])

/** Parameters of calls for files and directories with a value. SMH ignores unknown ones (inferred). */
const PARAMETERS = new Set([
  'access_token',
  'by-marker',
  'by-page',
  'conflict_resolution_strategy',
  'content_cas',
  'content_disposition',
  'directory_only',
  'filesize',
  'filter',
  'history_id',
  'internal_domain',
  'library_secret',
  'limit',
  'marker',
  'no_upload_part_info',
  'order_by',
  'order_by_type',
  'page',
  'page_size',
  'period',
  'permanent',
  'prefer_same_origin',
  'prefix',
  'purpose',
  'traffic_limit',
  'user_id',
  'with_content_cas',
  'with_inode',
])

const SPACE: Record<string, Names> = {
  '': { DELETE: 'delete-space' },
  size: { GET: 'space-size' },
  extension: { GET: 'get-space-extension', POST: 'set-space-extension' },
  'traffic-limit': { POST: 'set-space-traffic-limit' },
}

/**
 * Finds the route of a call. Otherwise 404 `RouteNotFound`. 400 `ParamInvalid` for a flag that the call
 * cannot have: without the flag, the call would begin an upload, create a directory or delete a file.
 */
export function matchSmhRoute(request: Incoming, variant: Variant): SmhRoute {
  const [empty, api, version, kind = '', library = '', space = '', ...others] =
    request.path.split('/')
  const rest = others.join('/')
  const found = empty === '' && api === 'api' && version === 'v1'
  const name = found ? nameOf(request, variant, kind, library, space, rest) : undefined
  if (!name) throw new SmhError(404, 'RouteNotFound')
  return { name, library, space, rest }
}

function nameOf(
  request: Incoming,
  variant: Variant,
  kind: string,
  library: string,
  space: string,
  rest: string,
): RouteName | undefined {
  const { method } = request
  if (kind === 'token') return tokenRoute(method, library, space, rest)
  if (library === '') return undefined
  if (kind === 'file' || kind === 'directory') {
    if (space === '') return undefined
    return flaggedRoute(request, variant, kind) ?? plainRoute(request, kind)
  }
  if (kind === 'space') {
    if (space === '') return method === 'POST' ? 'create-space' : undefined
    if (space === 'list' && rest === '') return method === 'GET' ? 'list-spaces' : undefined
    return SPACE[rest]?.[method]
  }
  if (rest !== '') return undefined
  if (kind === 'usage' && method === 'GET') return space === '' ? 'library-usage' : 'space-usage'
  if (kind === 'quota' && method === 'POST' && space === '') return 'create-quota'
  const quota = kind === 'quota' || kind === 'space-quota'
  return quota && method === 'GET' && space !== '' ? 'get-quota' : undefined
}

function tokenRoute(method: string, library: string, token: string, rest: string) {
  if (rest !== '') return undefined
  if (library === '') return method === 'GET' || method === 'POST' ? 'mint-token' : undefined
  if (method === 'DELETE') return token === '' ? 'delete-user-tokens' : 'delete-token'
  return method === 'POST' && token !== '' ? 'renew-token' : undefined
}

function flaggedRoute(request: Incoming, variant: Variant, kind: string): RouteName | undefined {
  const unknown = bareNames(request).find((name) => !ALL_FLAGS.has(name) && !PARAMETERS.has(name))
  if (unknown !== undefined) throw new SmhError(400, 'ParamInvalid', 'No such flag.')
  for (const [flag, name] of FLAGS[`${kind} ${request.method}`] ?? []) {
    const value = request.query.get(flag)
    if (value === null) continue
    const spelling = value === '' ? 'bare' : 'valued'
    if (variant.flags !== 'any' && variant.flags !== spelling) {
      throw new SmhError(400, 'ParamInvalid', `The flag ${flag} has another spelling.`)
    }
    return name
  }
  const { query, method } = request
  if (NOT_EMULATED[`${kind} ${method}`]?.some((flag) => query.has(flag))) return 'not-emulated'
  const misplaced = [...ALL_FLAGS].find((flag) => query.has(flag))
  if (misplaced !== undefined) {
    throw new SmhError(400, 'ParamInvalid', `${method} does not take the flag ${misplaced}.`)
  }
  return undefined
}

/** The names in the query that have no `=`. */
function bareNames({ rawQuery }: Incoming): string[] {
  const bare = rawQuery.split('&').filter((pair) => pair !== '' && !pair.includes('='))
  return bare.flatMap((pair) => [...new URLSearchParams(pair).keys()])
}

function plainRoute(request: Incoming, kind: string): RouteName | undefined {
  // Only the body distinguishes these PUTs (docs/smh-protocol.md#5.3).
  if (request.method === 'PUT' && movesOrLinks(request.body)) return 'link-copy-or-move'
  return PLAIN[kind]?.[request.method]
}

function movesOrLinks(body: string): boolean {
  try {
    const fields: unknown = JSON.parse(body)
    if (typeof fields !== 'object' || fields === null) return false
    return ['linkTo', 'copyFrom', 'from'].some((name) => name in fields)
  } catch {
    return false
  }
}
