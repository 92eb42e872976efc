import * as z from 'zod'
import { respondJson } from '../http/respond.ts'
import { permitTrafficLimit } from '../uploads/policy.ts'
import { defineEndpoint, ownedUpload } from './endpoint.ts'
import { credentialsResponse, uploadErrors } from './openapi-responses.ts'
import {
  confirmKeyParam,
  credentials,
  credentialsHeaders,
  toCredentials,
  trafficLimit,
} from './schemas.ts'

const body = z.strictObject({ trafficLimit: trafficLimit.optional() }).meta({ id: 'RenewUpload' })

/** Returns new credentials for an upload, before or after the old ones expire. */
export const renewUpload = defineEndpoint(
  {
    operationId: 'renewUpload',
    method: 'post',
    path: '/v1/uploads/{confirmKey}/renew',
    tags: ['Uploads'],
    summary: 'Renew the credentials of an upload',
    description:
      'Call it before `Upload-Expires`, or after a 403 from COS. Received parts stay. The confirm ' +
      'key stays the same; `domain`, `path` and `headers` may change.',
    request: {
      params: confirmKeyParam,
      body: { required: false, content: { 'application/json': { schema: body } } },
    },
    responses: {
      200: credentialsResponse('Fresh credentials.', credentials),
    },
  },
  [
    ...uploadErrors,
    'upload_not_found',
    'name_conflict',
    'upload_complete',
    'request_too_large',
    'unsupported_media_type',
  ],
  (services) =>
    async (request, { params, body }) => {
      const { confirmKey } = params
      const upload = ownedUpload(services, request, confirmKey)
      const trafficLimit = permitTrafficLimit(services.config.upload, body.trafficLimit)
      const task = await services.smh.renew(upload, trafficLimit, request)
      const headers = credentialsHeaders(task, confirmKey)
      return respondJson(request, toCredentials(task, confirmKey), 200, headers)
    },
)
