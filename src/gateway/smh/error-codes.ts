import { type ErrorCode, type ErrorFacts, GatewayError, uploadNotFound } from '../errors.ts'

/**
 * What a refusal of SMH means for the gateway (docs/smh-protocol.md#8.3).
 *
 * - `token_dead`: custody gets a new token once; when that does not help, our set-up is wrong
 * - `wiring`: ids, secret, grants or the state of the library: only the operator can mend it
 * - `unacted`: SMH did nothing and asks to come again
 * - otherwise the public code that the caller is told
 */
type Meaning = 'token_dead' | 'wiring' | 'unacted' | ErrorCode

/** Every code of docs/smh-protocol.md#8 that a call of ours can meet. Others are judged by their status alone. */
const meanings = {
  InvalidAccessToken: 'token_dead',
  AccessTokenVersionNotMatch: 'token_dead',

  AccessTokenNotMatchSpace: 'wiring',
  AccessTokenNotMatchLibrary: 'wiring',
  WrongLibraryIdOrSecret: 'wiring',
  LibraryNotFound: 'wiring',
  LibraryServiceExpired: 'wiring',
  LibraryServiceTimeExpired: 'wiring',
  LibraryRecycled: 'wiring',
  SpaceNotFound: 'wiring',
  SpaceIdInvalid: 'wiring',
  SpaceBanned: 'wiring',
  EmptyLibraryIdOrSecret: 'wiring',
  EmptyLibrarySecret: 'wiring',
  EmptyLibraryId: 'wiring',
  EmptyAccessToken: 'wiring',
  EmptySpaceId: 'wiring',
  NotMultiSpaceLibrary: 'wiring',
  NoPermission: 'wiring',
  ReadForbidden: 'wiring',
  WriteForbidden: 'wiring',
  FunctionNotEnabled: 'wiring',
  RouteNotFound: 'wiring',
  NotMultipartUpload: 'wiring',
  UserIdLengthExceed: 'wiring',
  ClientIdLengthExceed: 'wiring',

  RateLimitExceeded: 'unacted',
  LibraryInitializing: 'unacted',
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

type SmhCode = keyof typeof meanings

/** What the caller is told for each public code that SMH can cause. */
const details: Record<Exclude<Extract<KnownMeaning, ErrorCode>, HandledApart>, string> = {
  parent_not_found: 'The folder of this upload does not exist.',
  name_conflict: 'The name is taken, or is being changed by somebody else right now.',
  upload_complete: 'This upload is complete already.',
  upload_incomplete: 'Not all of the file has arrived.',
  checksum_mismatch: 'What has arrived differs from what was sent: the CRC64 is another.',
  quota_exceeded: 'There is no room left for this file.',
  invalid_request: 'The media store does not take this path, name or value.',
  content_refused: 'The media store refuses this content.',
}

/** A reply of SMH that is not a success. */
export interface Refusal {
  status: number
  code: string | undefined
  requestId: string | undefined
  /** Of its `Retry-After`, if it sent one. */
  retryAfterSeconds: number | undefined
}

/** The error that a refusal of SMH becomes. Nothing of SMH's own text gets into it. */
export function refusalToError(refusal: Refusal): GatewayError {
  const facts: ErrorFacts = {
    smhStatus: refusal.status,
    ...(refusal.code && { smhCode: refusal.code }),
    ...(refusal.requestId && { smhRequestId: refusal.requestId }),
    ...(refusal.retryAfterSeconds && { smhRetryAfterSeconds: refusal.retryAfterSeconds }),
  }
  const meaning = meaningOf(refusal)
  switch (meaning) {
    case 'token_dead':
    case 'wiring':
      return upstreamError('wiring', { ...facts, alarm: true })
    case 'unacted':
      return upstreamUnavailable('busy', facts)
    case 'upstream_unavailable':
      return upstreamUnavailable('unavailable', facts)
    case 'upstream_timeout':
      return upstreamTimeout(facts)
    case 'upstream_error':
      return upstreamError('refused', facts)
    case 'upload_not_found':
      return uploadNotFound(facts)
    case 'upload_incomplete':
      return new GatewayError(meaning, details[meaning], { missingParts: [], ...facts })
    default:
      return new GatewayError(meaning, details[meaning], facts)
  }
}

/** Whether SMH says that the access token is no good (any more). */
export function isTokenDead(error: unknown): boolean {
  return error instanceof GatewayError && meaningOfCode(error.facts.smhCode) === 'token_dead'
}

/** Whether SMH says with this code that it did nothing, so that repeating the call can double nothing. */
export function isUnacted(error: GatewayError): boolean {
  const { smhCode, smhStatus } = error.facts
  return smhStatus === 429 || smhCode === 'PathConflict' || meaningOfCode(smhCode) === 'unacted'
}

/** 502: SMH answered something unusable, or the wiring to it is wrong. */
export function upstreamError(reason: string, facts: ErrorFacts = {}): GatewayError {
  return new GatewayError('upstream_error', 'The media store could not do this.', {
    reason,
    ...facts,
  })
}

/** 503 with `Retry-After`, in whole seconds; SMH's own wish is honoured up to two minutes. */
export function upstreamUnavailable(reason: string, facts: ErrorFacts = {}): GatewayError {
  const wait = Math.min(facts.smhRetryAfterSeconds ?? 2, 120)
  return new GatewayError('upstream_unavailable', 'The media store cannot be reached right now.', {
    reason,
    headers: { 'Retry-After': String(wait) },
    ...facts,
  })
}

/** 504: no answer in time. The call may have had its effect. */
export function upstreamTimeout(facts: ErrorFacts = {}): GatewayError {
  return new GatewayError('upstream_timeout', 'The media store did not answer in time.', {
    reason: 'timeout',
    ...facts,
  })
}

type HandledApart =
  | 'upstream_unavailable'
  | 'upstream_timeout'
  | 'upstream_error'
  | 'upload_not_found'

type KnownMeaning =
  | (typeof meanings)[SmhCode]
  | 'upstream_unavailable'
  | 'upstream_timeout'
  | 'upstream_error'

function meaningOf(refusal: Refusal): KnownMeaning {
  return meaningOfCode(refusal.code) ?? meaningOfStatus(refusal.status)
}

function meaningOfCode(code: string | undefined): (typeof meanings)[SmhCode] | undefined {
  return code !== undefined && Object.hasOwn(meanings, code) ? meanings[code as SmhCode] : undefined
}

/** For codes that SMH has not published, and for answers from a proxy in between. */
function meaningOfStatus(status: number): KnownMeaning {
  if (status === 429 || status === 503) return 'upstream_unavailable'
  if (status === 408 || status === 504) return 'upstream_timeout'
  // How long path, names and values come to is the caller's choice; proxies take less than SMH may.
  if (status === 413 || status === 414 || status === 431) return 'invalid_request'
  if (status === 451) return 'content_refused'
  return 'upstream_error'
}
