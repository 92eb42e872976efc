import { respondEmpty } from '../respond.ts'
import { abortInSmh } from '../smh/complete.ts'
import { emptyAnswer, ofEveryUpload } from './answers.ts'
import { boundsOf, defineEndpoint, ownedUpload } from './endpoint.ts'
import { confirmKeyParam } from './upload-fields.ts'

/** Gives up an upload and what has arrived of it; a repeat is answered alike. */
export const abortUpload = defineEndpoint(
  {
    operationId: 'abortUpload',
    method: 'delete',
    path: '/v1/uploads/{confirmKey}',
    tags: ['Uploads'],
    summary: 'Abort an upload',
    description: 'The parts are deleted. A completed upload stays as it is.',
    request: { params: confirmKeyParam },
    responses: {
      204: emptyAnswer('The upload is gone.'),
    },
  },
  [...ofEveryUpload, 'upload_not_found', 'name_conflict', 'upload_complete'],
  (services) => async (c) => {
    const upload = ownedUpload(services, c, c.req.valid('param').confirmKey)
    await abortInSmh(services.smh, upload, boundsOf(services, c))
    return respondEmpty(c, 204)
  },
)
