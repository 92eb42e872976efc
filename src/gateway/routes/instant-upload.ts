import * as z from 'zod'
import { respondJson } from '../http/respond.ts'
import { beginErrors, beginForUser } from './begin.ts'
import { defineEndpoint } from './endpoint.ts'
import { instantUploadResponse } from './openapi-responses.ts'
import {
  beginFields,
  beginningHash,
  fullHash,
  idempotencyKey,
  instantUploadResult,
  metadataRule,
} from './schemas.ts'

const body = z
  .strictObject({
    ...beginFields,
    size: beginFields.size.min(1).meta({ description: 'Bytes. Checked again at completion.' }),
    beginningHash,
    fullHash: fullHash.optional(),
  })
  .meta({ id: 'InstantUpload' })

const example = {
  path: 'holiday/clip.mp4',
  size: 2_097_162,
  beginningHash: '9bc1b2a288b26af7257a36277ae3816a7d4f16e89c1e7e77d0a5c48bad62b360',
}

/** Begins an upload with the file's hashes. If SMH already has the file, the client sends no bytes. */
export const instantUpload = defineEndpoint(
  {
    operationId: 'instantUpload',
    method: 'post',
    path: '/v1/instant-uploads',
    tags: ['Uploads'],
    summary: 'Begin an upload by hash',
    description:
      'SMH looks for a file with these hashes and this size. `outcome` says what to do next. ' +
      'SMH finds no files under 1 MiB by hash: for them the outcome is always `upload_required`. ' +
      `The operator may disable this operation (403 \`not_permitted\`). ${metadataRule}`,
    request: {
      headers: idempotencyKey,
      body: { required: true, content: { 'application/json': { schema: body, example } } },
    },
    responses: {
      200: instantUploadResponse('The outcome.', instantUploadResult),
    },
  },
  [...beginErrors, 'size_mismatch'],
  (services) =>
    async (request, { body }) => {
      const begun = await beginForUser(services, request, { ...body, method: 'multipart' })
      switch (begun.kind) {
        case 'stored':
          return respondJson(request, { outcome: 'stored' as const, file: begun.file }, 200)
        case 'needs-full-hash':
          return respondJson(request, { outcome: 'full_hash_required' as const }, 200)
        case 'task': {
          const { credentials, headers } = begun
          return respondJson(
            request,
            { outcome: 'upload_required' as const, credentials },
            200,
            headers,
          )
        }
      }
    },
  { rateLimit: 'begins' },
)
