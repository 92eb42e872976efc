import type { BlobStore } from './blob-store.ts'
import { SmhError } from './errors.ts'
import type { Fault } from './faults.ts'
import { isGranted } from './grants.ts'
import type { Incoming, Reply, Server } from './http-server.ts'
import { filePath } from './names.ts'
import type { RouteName } from './route-names.ts'
import { json, type LibraryCall, type SpaceCall } from './smh-call.ts'
import {
  createDirectory,
  deleteDirectory,
  directoryHead,
  directoryInfo,
} from './smh-directories.ts'
import { deleteFile, fileDownload, fileHead, fileInfo } from './smh-files.ts'
import { listDirectory } from './smh-lists.ts'
import { createQuota, getQuota, libraryUsage, spaceUsage } from './smh-quotas.ts'
import { matchSmhRoute, type SmhRoute } from './smh-routes.ts'
import {
  createSpace,
  deleteSpace,
  listSpaces,
  setSpaceExtension,
  setTrafficLimit,
  spaceExtension,
  spaceSize,
} from './smh-spaces.ts'
import { cancelUpload, confirmUpload, renewUpload, uploadStatus } from './smh-tasks.ts'
import { deleteToken, deleteUserTokens, mintToken, renewToken, useToken } from './smh-tokens.ts'
import { beginUpload } from './smh-uploads.ts'
import { hex, type Space, type State, type Token } from './state.ts'
import { findFile } from './tree.ts'

/** Maximum size of a body (inferred). No call of the gateway needs more. */
const MAX_BODY_BYTES = 1024 * 1024

type Handlers<Call> = Partial<Record<RouteName, (call: Call) => Reply | Promise<Reply>>>

const IN_SPACE: Handlers<SpaceCall> = {
  'begin-multipart': (call) => beginUpload(call, 'multipart'),
  'begin-simple': (call) => beginUpload(call, 'simple'),
  'begin-form': (call) => beginUpload(call, 'form'),
  renew: renewUpload,
  status: uploadStatus,
  confirm: confirmUpload,
  cancel: cancelUpload,
  'link-copy-or-move': notEmulated,
  'not-emulated': notEmulated,
  'file-head': fileHead,
  'file-info': fileInfo,
  'file-download': fileDownload,
  'file-delete': deleteFile,
  'directory-head': directoryHead,
  'directory-info': directoryInfo,
  'directory-list': listDirectory,
  'create-directory': createDirectory,
  'directory-delete': deleteDirectory,
  'get-space-extension': spaceExtension,
  'set-space-extension': setSpaceExtension,
  'set-space-traffic-limit': setTrafficLimit,
  'space-size': spaceSize,
  'delete-space': deleteSpace,
}

/** Rejects an operation that the emulator lacks. Like SMH, a read of a missing file is 404 first. */
function notEmulated({ request, space, rest }: SpaceCall): never {
  const reads = request.path.startsWith('/api/v1/file/') && request.method !== 'PUT'
  if (reads) findFile(space, filePath(rest))
  throw new SmhError(
    501,
    'FunctionNotEnabled',
    'SMH has this operation, but the emulator does not.',
  )
}

/** The media service: finds the route and runs the checks in the order of docs/smh-protocol.md#14.3. */
export function createSmhServer(state: State, blobStore: BlobStore): Server {
  const routes = new WeakMap<Incoming, SmhRoute>()
  return {
    host: 'smh',
    newRequestId: () => hex(8),
    async open(request) {
      if (request.method === 'OPTIONS') {
        request.route = 'preflight'
        return
      }
      await readBody(request)
      const route = matchSmhRoute(request, state.variant)
      request.route = route.name
      request.record.userId = userOf(state, request.query)
      routes.set(request, route)
    },
    async answer(request) {
      const route = routes.get(request)
      if (!route) return { status: 204 }
      const reply = await answer(state, blobStore, request, route)
      return withExtraFields(reply, state.extraReplyFields)
    },
    refuse(error, request) {
      // The response has the text of an unexpected error, because the emulator has no log.
      const known =
        error instanceof SmhError ? error : new SmhError(500, 'InternalServerError', String(error))
      return errorReply(known.status, known.code, known.message, request)
    },
    force: forcedReply,
    commonHeaders: (request) => ({
      // Clients correct their clocks by this header (docs/smh-protocol.md#2).
      Date: new Date(state.now()).toUTCString(),
      'X-Request-Id': request.requestId,
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Expose-Headers': 'X-Request-Id, Date',
      ...(request.route === 'preflight' && {
        'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE',
        'Access-Control-Allow-Headers':
          request.headers['access-control-request-headers'] ?? 'Content-Type',
        'Access-Control-Max-Age': '600',
      }),
    }),
  }
}

async function readBody(request: Incoming) {
  const chunks: Uint8Array[] = []
  for await (const chunk of request.stream) {
    request.record.bodyBytes += chunk.byteLength
    if (request.record.bodyBytes <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  if (request.record.bodyBytes > MAX_BODY_BYTES) throw new SmhError(413, 'RequestEntityTooLarge')
  request.body = Buffer.concat(chunks).toString('utf8')
  if (request.body !== '') request.record.body = request.body
}

async function answer(
  state: State,
  blobStore: BlobStore,
  request: Incoming,
  route: SmhRoute,
): Promise<Reply> {
  if (route.name === 'mint-token') return mintToken(state, request)
  if (route.library !== state.libraryId) throw new SmhError(404, 'LibraryNotFound')
  const tokenInPath = route.space
  if (route.name === 'renew-token') return renewToken(state, tokenInPath)
  if (route.name === 'delete-token') return deleteToken(state, tokenInPath)
  if (route.name === 'delete-user-tokens') return deleteUserTokens(state, request)

  const value = request.query.get('access_token') ?? ''
  if (value === '') throw new SmhError(400, 'EmptyAccessToken')
  const token = useToken(state, value)
  const call = { state, blobStore, request, token, user: effectiveUser(token, request.query) }
  const handler = IN_SPACE[route.name]
  if (!handler) return answerInLibrary(call, route)

  const space = findSpace(state, decode(route.space))
  if (!token.grants.has('admin') && !token.spaceIds.includes(space.id)) {
    throw new SmhError(403, 'AccessTokenNotMatchSpace')
  }
  checkGrant(token, route.name)
  return handler({ ...call, space, rest: decode(route.rest) })
}

function answerInLibrary(call: LibraryCall, route: SmhRoute): Reply {
  const key = decode(route.space)
  checkGrant(call.token, route.name)
  if (route.name === 'create-space') return createSpace(call)
  if (route.name === 'list-spaces') return listSpaces(call)
  if (route.name === 'library-usage') return libraryUsage(call)
  if (route.name === 'space-usage') return spaceUsage(call, key.split(','))
  if (route.name === 'create-quota') return createQuota(call)
  const byNumber = call.request.path.startsWith('/api/v1/quota/')
  if (route.name === 'get-quota') return getQuota(call, key, byNumber)
  throw new SmhError(404, 'RouteNotFound')
}

function checkGrant(token: Token, route: RouteName) {
  if (!isGranted(token.grants, route)) throw new SmhError(403, 'NoPermission')
}

/** The user that a call names, before any check. */
function userOf(state: State, query: URLSearchParams): string {
  const token = state.tokens.get(query.get('access_token') ?? '')
  return token?.userId || (query.get('user_id') ?? '')
}

/** Only an `admin` token without a user acts for the user of the call (docs/smh-protocol.md#3.9). */
function effectiveUser(token: Token, query: URLSearchParams): string {
  if (token.userId !== '' || !token.grants.has('admin')) return token.userId
  return query.get('user_id') ?? ''
}

function findSpace(state: State, id: string): Space {
  if (id === '-' && state.multiTenant) throw new SmhError(400, 'SpaceIdInvalid')
  const space = state.spaces.get(id)
  if (!space) throw new SmhError(404, 'SpaceNotFound')
  return space
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new SmhError(400, 'ParamInvalid', 'Malformed percent-encoding.')
  }
}

function withExtraFields(reply: Reply, extra: Record<string, unknown>): Reply {
  if (typeof reply.body !== 'string' || Object.keys(extra).length === 0) return reply
  const body: unknown = JSON.parse(reply.body)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return reply
  return { ...reply, body: JSON.stringify({ ...extra, ...body }) }
}

function errorReply(status: number, code: string, message: string, request: Incoming): Reply {
  return json(status, { code, message, requestId: request.requestId })
}

function forcedReply(fault: Fault, request: Incoming): Reply {
  const status = fault.status ?? (fault.code === undefined ? 200 : 500)
  if (fault.body !== undefined || (status < 400 && fault.code === undefined)) {
    const type = fault.contentType ?? 'application/json; charset=utf-8'
    return {
      status,
      headers: { 'Content-Type': type, ...fault.headers },
      ...(fault.body !== undefined && { body: fault.body }),
    }
  }
  const code = fault.code ?? 'InternalServerError'
  const reply = errorReply(status, code, 'Forced by a test.', request)
  const type = fault.contentType === undefined ? {} : { 'Content-Type': fault.contentType }
  return { ...reply, headers: { ...reply.headers, ...type, ...fault.headers } }
}
