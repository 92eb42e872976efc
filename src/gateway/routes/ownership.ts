import { GatewayError, uploadNotFound } from '../errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { OwnedUpload } from '../smh/upload.ts'
import { toPublicError } from '../uploads/public-error.ts'
import { type Services, scopeOf } from './endpoint.ts'

/**
 * Runs an operation on the upload of a confirm key if it belongs to the user. When the operation shows that the
 * upload has ended, the ledger learns it.
 *
 * @throws GatewayError the same `upload_not_found` for every other key; what `work` throws
 */
export async function onOwnedUpload<T>(
  services: Services,
  request: RequestContext,
  confirmKey: string,
  work: (upload: OwnedUpload) => Promise<T>,
): Promise<T> {
  const scope = scopeOf(services, request)
  const upload = services.confirmKeys.verify(scope, confirmKey, services.clock())
  if (!upload) throw uploadNotFound({ reason: 'confirm_key' })
  return notingEnd(services, request, confirmKey, () => work(upload))
}

/** Runs an operation on an upload of the user. When its error shows that the upload has ended, the ledger learns it. */
export async function notingEnd<T>(
  services: Services,
  request: RequestContext,
  confirmKey: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const how = endShownBy(toPublicError(error))
    if (how) await services.ledger.ended(request.user.id, confirmKey, how)
    throw error
  }
}

/** How an upload has ended that caused this error; undefined when it may still be open. */
function endShownBy(error: unknown): 'completed' | 'aborted' | undefined {
  if (!(error instanceof GatewayError)) return undefined
  const { reason } = error.details
  if (reason === 'stored_size' || reason === 'stored_checksum') return 'completed'
  switch (error.code) {
    case 'upload_complete':
      return 'completed'
    // Complete cancels an upload that is too large.
    case 'file_too_large':
    case 'upload_not_found':
      return 'aborted'
    default:
      return undefined
  }
}
