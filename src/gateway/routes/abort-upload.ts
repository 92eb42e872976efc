import { respondEmpty } from '../http/respond.ts'
import { abortInSmh } from '../uploads/complete.ts'
import { defineEndpoint } from './endpoint.ts'
import { emptyResponse, uploadErrors } from './openapi-responses.ts'
import { onOwnedUpload } from './ownership.ts'
import { confirmKeyParam } from './schemas.ts'

/** Aborts an upload and drops its parts. A repeat gets the same response. */
export const abortUpload = defineEndpoint(
  {
    operationId: 'abortUpload',
    method: 'delete',
    path: '/v1/uploads/{confirmKey}',
    tags: ['Uploads'],
    summary: 'Abort an upload',
    description: 'Deletes the received parts. A completed upload keeps its file.',
    request: { params: confirmKeyParam },
    responses: {
      204: emptyResponse('The upload is aborted.'),
    },
  },
  [...uploadErrors, 'upload_not_found', 'name_conflict', 'upload_complete'],
  (services) =>
    async (request, { params }) => {
      const { confirmKey } = params
      await onOwnedUpload(services, request, confirmKey, (upload) =>
        abortInSmh(services.smh, upload, request),
      )
      await services.ledger.ended(request.user.id, confirmKey, 'aborted')
      return respondEmpty(request, 204)
    },
)
