import { type ErrorCode, GatewayError } from '../errors.ts'
import type { AdmittedBegin } from '../http/begin-limit.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Idempotency, ReplayRecord, Ticket } from '../ledger/ledger.ts'
import { METADATA_PREFIX } from '../name-rules.ts'
import type { TaskReply } from '../smh/replies.ts'
import type { CallLimits } from '../smh/transport.ts'
import type { PermittedUpload, WantedUpload } from '../smh/upload.ts'
import { type BegunUpload, beginInSmh } from '../uploads/begin.ts'
import { idempotencyOf, readIdempotencyKey } from '../uploads/idempotency.ts'
import { permitUpload, readMetadata } from '../uploads/policy.ts'
import { replayStored, replayUpload, uploadComplete } from '../uploads/replay.ts'
import { scopeHash } from '../uploads/scope-hash.ts'
import { type Services, scopeOf } from './endpoint.ts'
import { uploadErrors } from './openapi-responses.ts'
import { notingEnd } from './ownership.ts'
import { credentialsHeaders, toCredentials, toStoredFile } from './schemas.ts'

/** The error codes of begin and of instant upload. */
export const beginErrors = [
  ...uploadErrors,
  'parent_not_found',
  'name_conflict',
  'upload_complete',
  'request_in_progress',
  'request_too_large',
  'file_too_large',
  'unsupported_media_type',
  'idempotency_key_reused',
  'too_many_open_uploads',
  'metadata_too_large',
  'content_refused',
  'quota_exceeded',
] as const satisfies ErrorCode[]

/** `Retry-After` while the first request with an Idempotency-Key is running, seconds. */
const IN_PROGRESS_SECONDS = 1

/** Longest `Retry-After` for a user with too many open uploads, seconds. A client usually ends one sooner. */
const TOO_MANY_OPEN_SECONDS = 60

type Wanted = WantedUpload & { metadata?: Readonly<Record<string, string>> | undefined }

/** The outcome of a begin, as its response has it. */
type Begun =
  | { kind: 'stored'; file: ReturnType<typeof toStoredFile> }
  | { kind: 'needs-full-hash' }
  | {
      kind: 'task'
      credentials: ReturnType<typeof toCredentials>
      headers: Record<string, string>
    }

/** One begin that the policy permits. */
interface PermittedBegin {
  services: Services
  request: RequestContext
  upload: PermittedUpload
  idempotency: Idempotency | undefined
  limits: CallLimits
}

/**
 * Begins an upload for the user of this request: the policy permits it, the ledger admits it, SMH creates the
 * task, and its confirm key is signed for the user. A repeat with the same Idempotency-Key gets the first outcome.
 *
 * @returns `stored` and `needs-full-hash` only where `wanted` has a hash, by SMH's rules
 * @throws GatewayError one of {@link beginErrors}
 */
export function beginForUser(
  services: Services,
  request: RequestContext,
  { metadata: fields, ...wanted }: Wanted,
): Promise<Begun> {
  const { config } = services
  const key = readIdempotencyKey(request.header('idempotency-key'))
  const scope = scopeOf(services, request)
  const metadata = readMetadata(config.upload, request.headersStartingWith(METADATA_PREFIX), fields)
  const upload = permitUpload(config.upload, scope, wanted, metadata)
  const idempotency =
    key === undefined ? undefined : idempotencyOf(key, request.operation, wanted, upload)
  // A begin with a key continues when the client disconnects. Otherwise SMH might create a task that no
  // repeat finds.
  const limits = idempotency ? { deadline: request.deadline } : request
  const begin = { services, request, upload, idempotency, limits }
  const decision = services.beginLimit.begin(request, idempotency)
  return decision instanceof Promise
    ? decision.then((decided) => decide(begin, decided))
    : decide(begin, decision)
}

function decide(begin: PermittedBegin, decision: AdmittedBegin): Promise<Begun> {
  switch (decision.kind) {
    case 'admitted':
      return beginAdmitted(begin, decision.ticket)
    case 'replay':
      return replay(begin, decision.record)
    case 'in_progress':
      throw new GatewayError(
        'request_in_progress',
        'The first request with this Idempotency-Key is still running.',
        { headers: { 'Retry-After': String(IN_PROGRESS_SECONDS) } },
      )
    case 'key_reused':
      throw new GatewayError(
        'idempotency_key_reused',
        'This Idempotency-Key belongs to another request.',
      )
    case 'too_many_open': {
      const seconds = Math.max(1, Math.ceil(decision.waitMs / 1000))
      throw new GatewayError('too_many_open_uploads', 'You have too many open uploads.', {
        headers: { 'Retry-After': String(Math.min(seconds, TOO_MANY_OPEN_SECONDS)) },
      })
    }
  }
}

async function beginAdmitted(
  { services, request, upload, limits }: PermittedBegin,
  ticket: Ticket,
): Promise<Begun> {
  const { config, clock, smh, confirmKeys, ledger } = services
  const beganAt = clock()
  const userId = request.user.id
  let begun: BegunUpload
  try {
    begun = await beginInSmh(smh, upload, config.upload.createParents, limits)
  } catch (error) {
    await ledger.failed(userId, ticket)
    throw error
  }
  switch (begun.kind) {
    case 'needs-full-hash':
      await ledger.began(userId, ticket, { outcome: 'full_hash_required' })
      return begun
    case 'stored': {
      const { file } = begun.stored
      await ledger.began(userId, ticket, { outcome: 'stored', path: file.path ?? [] })
      return { kind: 'stored', file: toStoredFile(begun.stored) }
    }
    case 'task': {
      const { scope, path, wanted } = upload
      const { size, method } = wanted
      const endsAt = Math.floor(beganAt / 1000) + config.upload.maxAgeSeconds
      const confirmKey = confirmKeys.sign(scope, {
        smhConfirmKey: begun.task.confirmKey,
        size,
        method,
        strategy: wanted.conflictResolutionStrategy,
        endsAt,
      })
      const kept = ledger.began(userId, ticket, {
        outcome: 'upload',
        upload: {
          confirmKey,
          scope: scopeHash(scope),
          path: path.slice(scope.rootPath.length),
          size,
          method,
          beganAt,
          endsAt: endsAt * 1000,
        },
      })
      if (kept instanceof Promise) await kept
      return toBegun(begun.task, confirmKey)
    }
  }
}

async function replay(begin: PermittedBegin, record: ReplayRecord): Promise<Begun> {
  const { services, request, upload, idempotency, limits } = begin
  switch (record.outcome) {
    case 'complete':
      throw uploadComplete()
    case 'full_hash_required':
      return { kind: 'needs-full-hash' }
    case 'stored': {
      const stored = await replayStored(services.smh, upload, record.path, limits)
      return { kind: 'stored', file: toStoredFile(stored) }
    }
    case 'upload': {
      const { confirmKey } = record
      const { smh, confirmKeys, clock } = services
      const owned = confirmKeys.verify(upload.scope, confirmKey, clock())
      const task =
        owned &&
        (await notingEnd(services, request, confirmKey, () =>
          replayUpload(smh, owned, upload, limits),
        ))
      if (task) return toBegun(task, confirmKey)
      return decide(begin, await services.beginLimit.begin(request, idempotency, confirmKey))
    }
  }
}

function toBegun(task: TaskReply, confirmKey: string): Begun {
  const headers = credentialsHeaders(task, confirmKey)
  return { kind: 'task', credentials: toCredentials(task, confirmKey), headers }
}
