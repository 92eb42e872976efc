import type { BlobStore } from './blob-store.ts'
import { checkPreflight, corsHeaders } from './cos-cors.ts'
import { cosError, errorDocument } from './cos-errors.ts'
import { postForm } from './cos-form.ts'
import { getObject, listParts } from './cos-objects.ts'
import { putObject, putPart } from './cos-uploads.ts'
import { CosError } from './errors.ts'
import type { Fault } from './faults.ts'
import type { Incoming, Reply, Server } from './http-server.ts'
import type { RouteName } from './route-names.ts'
import { hex, type State } from './state.ts'

/** The object store: accepts and serves signed parts and objects (docs/smh-protocol.md#11). */
export function createCosServer(state: State, blobStore: BlobStore): Server {
  return {
    host: 'cos',
    newRequestId: () => Buffer.from(hex(15)).toString('base64'),
    async open(request) {
      request.route = routeOf(request)
      request.record.userId = ownerOf(state, request.path)
    },
    answer: (request) => answer(state, blobStore, request),
    refuse(error, request) {
      const known = error instanceof CosError ? error : cosError('InternalError')
      return errorReply(state, known.status, known, request)
    },
    force: (fault, request) => forcedReply(state, fault, request),
    commonHeaders: (request) => ({
      Date: new Date(state.now()).toUTCString(),
      Server: 'tencent-cos',
      'x-cos-request-id': request.requestId,
      ...corsHeaders(state, request),
    }),
  }
}

function routeOf({ method, path, query }: Incoming): RouteName {
  if (method === 'OPTIONS') return 'preflight'
  if (method === 'PUT') return query.has('uploadId') ? 'put-part' : 'put-object'
  if (method === 'POST' && path === '/') return 'post-form'
  if (method === 'HEAD') return 'head-object'
  if (method === 'GET') return query.has('uploadId') ? 'list-parts' : 'get-object'
  return 'unknown'
}

async function answer(state: State, blobStore: BlobStore, request: Incoming): Promise<Reply> {
  const key = decodeKey(request.path)
  switch (request.route) {
    case 'preflight':
      checkPreflight(state, request)
      return { status: 200 }
    case 'put-part':
      return putPart(state, blobStore, request, key)
    case 'put-object':
      return putObject(state, blobStore, request, key)
    case 'post-form':
      return postForm(state, blobStore, request)
    case 'get-object':
    case 'head-object':
      return getObject(state, blobStore, request, key)
    case 'list-parts':
      return listParts(state, request, key)
    default:
      throw cosError('MethodNotAllowed')
  }
}

/** The owner of the upload that a key belongs to. '' for a key without an upload. */
function ownerOf(state: State, path: string): string {
  try {
    return state.uploads.get(decodeURIComponent(path))?.ownerUserId ?? ''
  } catch {
    return ''
  }
}

function decodeKey(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw cosError('InvalidURI')
  }
}

function errorReply(
  state: State,
  status: number,
  error: { code: string; message: string; headers?: Record<string, string> },
  request: Incoming,
): Reply {
  const resource = `${state.cosDomain}${request.path}`
  return {
    status,
    headers: { 'Content-Type': 'application/xml', ...error.headers },
    body: errorDocument(error, resource, request.requestId),
  }
}

function forcedReply(state: State, fault: Fault, request: Incoming): Reply {
  const status = fault.status ?? (fault.code === undefined ? 200 : 500)
  if (fault.body !== undefined || (status < 400 && fault.code === undefined)) {
    return {
      status,
      headers: { 'Content-Type': fault.contentType ?? 'application/xml', ...fault.headers },
      ...(fault.body !== undefined && { body: fault.body }),
    }
  }
  const error = { code: fault.code ?? 'InternalError', message: 'Forced by a test.' }
  const reply = errorReply(state, status, error, request)
  const type = fault.contentType === undefined ? {} : { 'Content-Type': fault.contentType }
  return { ...reply, headers: { ...reply.headers, ...type, ...fault.headers } }
}
