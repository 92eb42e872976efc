import { type ErrorCode, type ErrorDetails, GatewayError, uploadNotFound } from '../errors.ts'
import { type CallerCode, meaningOf } from '../smh/error-codes.ts'
import { smhLogFields } from '../smh/failure-log.ts'
import { type Refusal, SmhError, type SmhFailure } from '../smh/smh-error.ts'

/** Maximum `Retry-After` that is passed on from SMH, seconds. */
const LONGEST_WAIT_SECONDS = 120

/** `Retry-After` when SMH sends none, seconds. */
const USUAL_WAIT_SECONDS = 2

/** The `detail` of each code that a refusal of SMH can cause. */
const detailOf: Record<Exclude<CallerCode, 'upload_not_found'>, string> = {
  parent_not_found: 'The folder of this upload does not exist.',
  name_conflict: 'The name is taken, or another request is changing it.',
  upload_complete: 'This upload is already complete.',
  upload_incomplete: 'The file, or a part of it, has not arrived.',
  checksum_mismatch: 'Checksum mismatch: the CRC-64 of the received data differs.',
  quota_exceeded: 'The storage quota does not allow this file.',
  invalid_request: 'The media store rejected the path, the name or a value.',
  content_refused: 'The media store rejected the content.',
}

/**
 * Converts the error of a use case into the public error. Only errors of SMH change.
 *
 * @param allowed the codes that the operation declares. A refusal that would become another code becomes
 *   `upstream_error`. Default: all
 */
export function toPublicError<T>(
  thrown: T,
  allowed?: ReadonlySet<ErrorCode>,
): Exclude<T, SmhError> | GatewayError {
  if (!(thrown instanceof SmhError)) return thrown as Exclude<T, SmhError>
  const { failure, isLogged } = thrown
  const { reason, ...log } = smhLogFields(failure)
  const details: ErrorDetails = { ...(reason && { reason }), log }
  const error = publicErrorOf(failure, details, isLogged)
  if (failure.kind !== 'refused' || !allowed || allowed.has(error.code)) return error
  return storeFailed({ reason: 'unexpected', log })
}

function publicErrorOf(failure: SmhFailure, log: ErrorDetails, isLogged: boolean): GatewayError {
  const severe: ErrorDetails = { ...log, severity: isLogged ? 'warn' : 'error' }
  switch (failure.kind) {
    case 'connect_failed':
      return storeUnavailable(failure.noDescriptor ? severe : log)
    // Both have the same response, because Workers cannot distinguish them.
    case 'connection_lost':
      return storeUnavailable(log)
    case 'timeout':
      return storeTimeout(log)
    case 'aborted':
      return storeFailed({ ...log, severity: 'info' })
    case 'invalid_response':
      return storeFailed(failure.problem === 'shape' ? severe : log)
    case 'circuit_open':
      return storeUnavailable(log, Math.max(1, Math.ceil(failure.waitMs / 1000)))
    case 'refused':
      return refusedError(failure, log, severe)
  }
}

function refusedError(refusal: Refusal, log: ErrorDetails, severe: ErrorDetails): GatewayError {
  const meaning = meaningOf(refusal)
  switch (meaning) {
    case 'token_dead':
    case 'misconfigured':
      return storeFailed(severe)
    case 'busy':
    case 'unavailable':
      return storeUnavailable(log, refusal.retryAfterSeconds)
    case 'timeout':
      return storeTimeout(log)
    case 'failed':
      return storeFailed(log)
    case 'upload_not_found':
      return uploadNotFound(log)
    case 'upload_incomplete':
      return new GatewayError(meaning, detailOf[meaning], { ...log, missingParts: [] })
    case 'parent_not_found':
    case 'name_conflict':
    case 'upload_complete':
    case 'checksum_mismatch':
    case 'quota_exceeded':
    case 'invalid_request':
    case 'content_refused':
      return new GatewayError(meaning, detailOf[meaning], log)
  }
}

/** 502: SMH sent an invalid response, or the configuration is wrong. */
function storeFailed(details: ErrorDetails): GatewayError {
  return new GatewayError(
    'upstream_error',
    'The media store did not complete the request.',
    details,
  )
}

/** 503 with `Retry-After`. */
function storeUnavailable(details: ErrorDetails, waitSeconds?: number): GatewayError {
  const wait = Math.min(waitSeconds || USUAL_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
  const headers = { 'Retry-After': String(wait) }
  const detail = 'The media store cannot be reached right now.'
  return new GatewayError('upstream_unavailable', detail, { ...details, headers })
}

/** 504. The call may have taken effect. */
function storeTimeout(details: ErrorDetails): GatewayError {
  return new GatewayError('upstream_timeout', 'The media store did not respond in time.', details)
}
