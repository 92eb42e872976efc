import type { ErrorCode } from '../error-codes.ts'
import type { Refusal } from './smh-error.ts'

/**
 * The meaning of a refusal (docs/smh-protocol.md#8.3). A public code means that the client caused it.
 *
 * - `token_dead`: the access token is replaced once; if that does not help, the configuration is wrong
 * - `misconfigured`: ids, secret, grants or the state of the library; only the operator can repair it
 * - `busy`: SMH did not process the call and asks for a retry
 * - `unavailable`, `timeout`, `failed`: SMH or a proxy in front of it cannot serve the call
 */
export type Meaning =
  | 'token_dead'
  | 'misconfigured'
  | 'busy'
  | 'unavailable'
  | 'timeout'
  | 'failed'
  | CallerCode

/** The public codes that SMH's refusals can cause. */
export type CallerCode = Extract<
  ErrorCode,
  | 'parent_not_found'
  | 'name_conflict'
  | 'upload_complete'
  | 'upload_not_found'
  | 'upload_incomplete'
  | 'checksum_mismatch'
  | 'quota_exceeded'
  | 'invalid_request'
  | 'content_refused'
>

/**
 * Every code of docs/smh-protocol.md#8 that a call of the gateway can get. The meaning of other codes
 * depends on the status.
 */
const meanings = {
  InvalidAccessToken: 'token_dead',
  AccessTokenVersionNotMatch: 'token_dead',

  AccessTokenNotMatchSpace: 'misconfigured',
  AccessTokenNotMatchLibrary: 'misconfigured',
  WrongLibraryIdOrSecret: 'misconfigured',
  LibraryNotFound: 'misconfigured',
  LibraryServiceExpired: 'misconfigured',
  LibraryServiceTimeExpired: 'misconfigured',
  LibraryRecycled: 'misconfigured',
  SpaceNotFound: 'misconfigured',
  SpaceIdInvalid: 'misconfigured',
  SpaceBanned: 'misconfigured',
  EmptyLibraryIdOrSecret: 'misconfigured',
  EmptyLibrarySecret: 'misconfigured',
  EmptyLibraryId: 'misconfigured',
  EmptyAccessToken: 'misconfigured',
  EmptySpaceId: 'misconfigured',
  NotMultiSpaceLibrary: 'misconfigured',
  NoPermission: 'misconfigured',
  ReadForbidden: 'misconfigured',
  WriteForbidden: 'misconfigured',
  FunctionNotEnabled: 'misconfigured',
  RouteNotFound: 'misconfigured',
  NotMultipartUpload: 'misconfigured',
  UserIdLengthExceed: 'misconfigured',
  ClientIdLengthExceed: 'misconfigured',

  RateLimitExceeded: 'busy',
  LibraryInitializing: 'busy',
  PathConflict: 'name_conflict',

  DirectoryNotFound: 'parent_not_found',

  SameNameDirectoryOrFileExists: 'name_conflict',
  ContentCasConflict: 'name_conflict',
  RenameTooManyTimes: 'name_conflict',
  OverwriteFileNotAllowed: 'name_conflict',
  TargetBeingCoEdited: 'name_conflict',

  UploadComplete: 'upload_complete',
  UploadNotFound: 'upload_not_found',
  ConfirmKeyNotFound: 'upload_not_found',
  UploadNotBelongYou: 'upload_not_found',

  UploadIncomplete: 'upload_incomplete',
  MultipartUploadIncomplete: 'upload_incomplete',
  MultipartUploadPartTooSmall: 'upload_incomplete',
  CosObjectNonexistent: 'upload_incomplete',
  BadCrc64: 'checksum_mismatch',

  QuotaLimitReached: 'quota_exceeded',
  LibraryQuotaLimitReached: 'quota_exceeded',

  EmptyPath: 'invalid_request',
  EmptyFileName: 'invalid_request',
  IllegalFileName: 'invalid_request',
  FileNameLengthExceed: 'invalid_request',
  DirectoryNameLengthExceed: 'invalid_request',
  DirectoryLevelExceed: 'invalid_request',
  DirectoryNotAllowed: 'invalid_request',
  RootDirectoryNotAllowed: 'invalid_request',
  UploadToRootDirectoryNotAllowed: 'invalid_request',
  InvalidSpaceOrDirectoryPath: 'invalid_request',
  InvalidDestinationPath: 'invalid_request',
  PathNotFound: 'invalid_request',
  ExtnameNotAllowed: 'invalid_request',
  UnsupportedFileType: 'invalid_request',
  FileTypeNotMatched: 'invalid_request',
  InvalidConflictResolutionStrategy: 'invalid_request',
  InvalidTimeFormat: 'invalid_request',
  ParamInvalid: 'invalid_request',
  RequestEntityTooLarge: 'invalid_request',
  URITooLong: 'invalid_request',
  HeaderFieldsTooLarge: 'invalid_request',

  SensitiveContentRecognized: 'content_refused',
} as const satisfies Record<string, Meaning>

/** The meaning of a refusal, by its code or otherwise by its status. */
export function meaningOf({ code, status }: Refusal): Meaning {
  if (code !== undefined && Object.hasOwn(meanings, code)) {
    return meanings[code as keyof typeof meanings]
  }
  return meaningOfStatus(status)
}

/** For codes that SMH has not published, and for responses of a proxy in between. */
function meaningOfStatus(status: number): Meaning {
  if (status === 429 || status === 503) return 'unavailable'
  if (status === 408 || status === 504) return 'timeout'
  // The client chooses the length of path, names and values. Proxies may have lower limits than SMH.
  if (status === 413 || status === 414 || status === 431) return 'invalid_request'
  if (status === 451) return 'content_refused'
  return 'failed'
}

/** Whether SMH did not process the call, so that a retry cannot have a second effect. */
export function hadNoEffect(refusal: Refusal): boolean {
  return refusal.status === 429 || refusal.code === 'PathConflict' || meaningOf(refusal) === 'busy'
}
