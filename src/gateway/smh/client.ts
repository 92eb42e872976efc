import { MAX_REPLY_BYTES } from '../http-client.ts'
import type { AccessTokens } from './access-tokens.ts'
import {
  doneReply,
  type FileReply,
  fileReply,
  type StatusReply,
  simpleTaskReply,
  statusReply,
  type TaskReply,
  taskReply,
} from './replies.ts'
import { refusalOf } from './smh-error.ts'
import type { CallLimits, SmhRequest, SmhResponse, SmhTransport } from './transport.ts'
import type { OwnedUpload, PermittedUpload, UploadScope } from './upload.ts'

/** The possible outcomes of a begin (docs/smh-protocol.md#5.2). */
export type BeginOutcome =
  | { kind: 'task'; task: TaskReply }
  | { kind: 'needs-full-hash' }
  | { kind: 'stored'; file: FileReply; smhRequestId: string | undefined }

/** A file as SMH describes it, and the id of that response for the log. */
export interface SmhFile {
  file: FileReply
  smhRequestId: string | undefined
}

/** Details that a client may send at completion (docs/smh-protocol.md#5.7). */
export interface ConfirmDetails {
  crc64?: string | undefined
  labels?: string[] | undefined
  category?: string | undefined
  localCreationTime?: string | undefined
  localModificationTime?: string | undefined
}

/** The calls to SMH that an upload needs. Each rejects with an SmhError; error-codes.ts says what it means. */
export interface SmhClient {
  /** docs/smh-protocol.md#5.2 and #5.3. Not repeatable: every begin creates a task. */
  begin(upload: PermittedUpload, limits: CallLimits): Promise<BeginOutcome>
  /**
   * docs/smh-protocol.md#6.5, missing ancestors included. Resolves to false when the name exists already.
   */
  createDirectory(scope: UploadScope, path: readonly string[], limits: CallLimits): Promise<boolean>
  /** docs/smh-protocol.md#5.6 */
  status(upload: OwnedUpload, limits: CallLimits): Promise<StatusReply>
  /** docs/smh-protocol.md#5.5. Only for multipart uploads. */
  renew(
    upload: OwnedUpload,
    trafficLimit: number | undefined,
    limits: CallLimits,
  ): Promise<TaskReply>
  /** docs/smh-protocol.md#5.7. Not repeatable: ask for the status first. */
  confirm(upload: OwnedUpload, details: ConfirmDetails, limits: CallLimits): Promise<SmhFile>
  /** docs/smh-protocol.md#5.8 */
  cancel(upload: OwnedUpload, limits: CallLimits): Promise<void>
  /** docs/smh-protocol.md#6.3. Refused with status 404 when the name does not exist. */
  fileDetails(scope: UploadScope, path: readonly string[], limits: CallLimits): Promise<SmhFile>
}

/** Before SMH responds, COS assembles the parts (docs/smh-protocol.md#5.7). */
export const CONFIRM_TIMEOUT_MS = 60_000

export function createSmhClient(
  libraryId: string,
  tokens: AccessTokens,
  send: SmhTransport,
): SmhClient {
  const library = encodeURIComponent(libraryId)

  /** Sends a request to SMH on behalf of the user of the scope. */
  function sendFor(
    scope: UploadScope,
    request: SmhRequest,
    limits: CallLimits,
  ): Promise<SmhResponse> {
    return tokens.use(scope, limits, (token) =>
      send(
        {
          ...request,
          user: scope.userId,
          query: { ...request.query, user_id: scope.userId, access_token: token },
        },
        limits,
      ),
    )
  }

  /**
   * The only place that builds paths of SMH. Without the flag the same method and path mean another
   * operation (`DELETE` without `upload` deletes a file, docs/smh-protocol.md#5.8), so calls on a task
   * always have one.
   */
  function pathOf(
    kind: 'file' | 'directory',
    scope: UploadScope,
    names: readonly string[],
  ): string {
    let path = `/${kind}/${library}/${encodeURIComponent(scope.spaceId)}`
    for (const name of names) path += `/${encodeURIComponent(name)}`
    return path
  }

  function taskRequest(
    operation: string,
    upload: OwnedUpload,
    method: SmhRequest['method'],
    flag: 'renew' | 'upload' | 'confirm',
  ): SmhRequest {
    return {
      operation,
      method,
      path: pathOf('file', upload.scope, [upload.smhConfirmKey]),
      flag,
      query: {},
      repeatable: flag !== 'confirm',
    }
  }

  return {
    async begin({ scope, path, metadata, wanted }, limits) {
      const isSimple = wanted.method === 'simple'
      const response = await sendFor(
        scope,
        {
          operation: 'begin',
          method: isSimple ? 'PUT' : 'POST',
          flag: isSimple ? undefined : 'multipart',
          path: pathOf('file', scope, path),
          query: {
            filesize: wanted.size,
            conflict_resolution_strategy: wanted.conflictResolutionStrategy,
            traffic_limit: wanted.trafficLimit,
            prefer_same_origin: wanted.preferSameOrigin,
          },
          headers: metadata,
          body: beginBody(wanted),
          repeatable: false,
        },
        limits,
      )
      if (response.status === 202) return { kind: 'needs-full-hash' }
      // Older pages document 200 for a new task: only its confirm key decides (docs/smh-protocol.md#15).
      return response.has('confirmKey')
        ? { kind: 'task', task: response.read(isSimple ? simpleTaskReply : taskReply) }
        : { kind: 'stored', ...smhFile(response) }
    },

    async createDirectory(scope, path, limits) {
      const request: SmhRequest = {
        operation: 'create-directory',
        method: 'PUT',
        path: pathOf('directory', scope, path),
        query: { conflict_resolution_strategy: 'ask' },
        repeatable: true,
      }
      try {
        const response = await sendFor(scope, request, limits)
        response.read(doneReply)
        return true
      } catch (error) {
        if (refusalOf(error)?.code === 'SameNameDirectoryOrFileExists') return false
        throw error
      }
    },

    async status(upload, limits) {
      const request = taskRequest('status', upload, 'GET', 'upload')
      const maxResponseCharacters = MAX_REPLY_BYTES // It lists up to 10,000 parts.
      const response = await sendFor(upload.scope, { ...request, maxResponseCharacters }, limits)
      return response.read(statusReply)
    },

    async renew(upload, trafficLimit, limits) {
      const request = taskRequest('renew', upload, 'POST', 'renew')
      const query = { traffic_limit: trafficLimit }
      const response = await sendFor(upload.scope, { ...request, query }, limits)
      return response.read(taskReply)
    },

    async confirm(upload, details, limits) {
      const request = taskRequest('confirm', upload, 'POST', 'confirm')
      const response = await sendFor(
        upload.scope,
        {
          ...request,
          // The strategy of begin is repeated, because SMH's pages disagree on the default
          // (docs/smh-protocol.md#15).
          query: { conflict_resolution_strategy: upload.strategy },
          body: Object.values(details).some((value) => value !== undefined) ? details : undefined,
          timeoutMs: CONFIRM_TIMEOUT_MS,
        },
        limits,
      )
      return smhFile(response)
    },

    async cancel(upload, limits) {
      const request = taskRequest('cancel', upload, 'DELETE', 'upload')
      const response = await sendFor(upload.scope, request, limits)
      response.read(doneReply)
    },

    async fileDetails(scope, path, limits) {
      const response = await sendFor(
        scope,
        {
          operation: 'file-details',
          method: 'GET',
          path: pathOf('directory', scope, path),
          flag: 'info',
          query: {},
          repeatable: true,
        },
        limits,
      )
      return smhFile(response)
    },
  }
}

/**
 * Undefined when there is nothing to send: SMH needs no body then. Every field is named here: with `linkTo`,
 * `copyFrom` or `from`, the PUT of a simple upload would be another operation (docs/smh-protocol.md#5.3).
 */
function beginBody(wanted: PermittedUpload['wanted']): object | undefined {
  const { beginningHash, fullHash, size, labels, category } = wanted
  const { localCreationTime, localModificationTime } = wanted
  const isHashed = beginningHash !== undefined || fullHash !== undefined
  const hasDetails =
    labels !== undefined ||
    category !== undefined ||
    localCreationTime !== undefined ||
    localModificationTime !== undefined
  if (!isHashed && !hasDetails) return undefined
  return {
    beginningHash,
    fullHash,
    size: isHashed ? String(size) : undefined,
    labels,
    category,
    localCreationTime,
    localModificationTime,
  }
}

function smhFile(response: SmhResponse): SmhFile {
  return { file: response.read(fileReply), smhRequestId: response.requestId }
}
