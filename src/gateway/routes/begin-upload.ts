import * as z from 'zod'
import { respondJson } from '../http/respond.ts'
import { beginErrors, beginForUser } from './begin.ts'
import { defineEndpoint } from './endpoint.ts'
import { credentialsResponse } from './openapi-responses.ts'
import { beginFields, credentials, idempotencyKey, metadataRule, method } from './schemas.ts'

const body = z
  .strictObject({
    ...beginFields,
    method: method
      .optional()
      .meta({
        description:
          'How the bytes are sent. `multipart`: in parts. `simple`: in one PUT, for small files and empty ' +
          'ones; such an upload can be neither renewed nor resumed. Default: `multipart`.',
        example: 'multipart',
      })
      // No `default`: it would be in the document, and some generators then require the field.
      .transform((method = 'multipart') => method),
  })
  .meta({ id: 'BeginUpload' })

/** The required fields. All others are optional. */
const example = { path: 'holiday/clip.mp4', size: 2_097_162 }

/** Begins an upload. Without a hash, SMH always creates a task. */
export const beginUpload = defineEndpoint(
  {
    operationId: 'beginUpload',
    method: 'post',
    path: '/v1/uploads',
    tags: ['Uploads'],
    summary: 'Begin an upload',
    description: `Returns what the client needs to send the parts to COS. ${metadataRule}`,
    request: {
      headers: idempotencyKey,
      body: { required: true, content: { 'application/json': { schema: body, example } } },
    },
    responses: {
      201: credentialsResponse('Send the parts to COS, then complete the upload.', credentials),
    },
  },
  beginErrors,
  (services) =>
    async (request, { body }) => {
      const begun = await beginForUser(services, request, body)
      if (begun.kind !== 'task') throw new Error('A begin without hashes always creates a task.')
      return respondJson(request, begun.credentials, 201, begun.headers)
    },
  { rateLimit: 'begins' },
)
