import type { ErrorCode } from '../errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { METADATA_PREFIX } from '../name-rules.ts'
import type { WantedUpload } from '../smh/upload.ts'
import { beginInSmh } from '../uploads/begin.ts'
import { permitUpload, readMetadata } from '../uploads/policy.ts'
import { type Services, scopeOf } from './endpoint.ts'
import { uploadErrors } from './openapi-responses.ts'
import { credentialsHeaders, toCredentials, toStoredFile } from './schemas.ts'

/** The error codes of begin and of instant upload. */
export const beginErrors = [
  ...uploadErrors,
  'parent_not_found',
  'name_conflict',
  'request_too_large',
  'file_too_large',
  'unsupported_media_type',
  'metadata_too_large',
  'content_refused',
  'quota_exceeded',
] as const satisfies ErrorCode[]

/**
 * Begins an upload for the user of this request: the policy decides, SMH creates the task, and its confirm
 * key is signed for the user.
 *
 * @returns `stored` and `needs-full-hash` only where `wanted` has a hash, by SMH's rules
 * @throws GatewayError one of {@link beginErrors}
 */
export async function beginForUser(
  services: Services,
  request: RequestContext,
  wanted: WantedUpload,
): Promise<
  | { kind: 'stored'; file: ReturnType<typeof toStoredFile> }
  | { kind: 'needs-full-hash' }
  | {
      kind: 'task'
      credentials: ReturnType<typeof toCredentials>
      headers: Record<string, string>
    }
> {
  const { config, clock, smh, confirmKeys } = services
  const scope = scopeOf(services, request)
  const metadata = readMetadata(config.upload, request.headersStartingWith(METADATA_PREFIX))
  const upload = permitUpload(config.upload, scope, wanted, metadata)

  const begunAt = clock()
  const { createParents, maxAgeSeconds } = config.upload
  const outcome = await beginInSmh(smh, upload, createParents, request)
  switch (outcome.kind) {
    case 'needs-full-hash':
      return outcome
    case 'stored':
      return { kind: 'stored', file: toStoredFile(outcome.stored) }
    case 'task': {
      const confirmKey = confirmKeys.sign(scope, {
        smhConfirmKey: outcome.task.confirmKey,
        size: upload.wanted.size,
        strategy: upload.wanted.conflictResolutionStrategy,
        endsAt: Math.floor(begunAt / 1000) + maxAgeSeconds,
      })
      return {
        kind: 'task',
        credentials: toCredentials(outcome.task, confirmKey),
        headers: credentialsHeaders(outcome.task, confirmKey),
      }
    }
  }
}
