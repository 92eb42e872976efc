import * as z from 'zod'
import { GatewayError } from '../errors.ts'
import { respondJson } from '../http/respond.ts'
import { permitTrafficLimit } from '../uploads/policy.ts'
import { defineEndpoint } from './endpoint.ts'
import { credentialsResponse, uploadErrors } from './openapi-responses.ts'
import { onOwnedUpload } from './ownership.ts'
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
    'not_renewable',
    'request_too_large',
    'unsupported_media_type',
  ],
  (services) =>
    async (request, { params, body }) => {
      const { confirmKey } = params
      const { config, smh } = services
      const trafficLimit = permitTrafficLimit(config.upload, body.trafficLimit)
      const task = await onOwnedUpload(services, request, confirmKey, async (upload) => {
        if (upload.method === 'simple') {
          throw new GatewayError('not_renewable', 'A simple upload cannot be renewed. Begin again.')
        }
        return smh.renew(upload, trafficLimit, request)
      })
      const headers = credentialsHeaders(task, confirmKey)
      return respondJson(request, toCredentials(task, confirmKey), 200, headers)
    },
)
