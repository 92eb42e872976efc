import * as z from 'zod'
import { respondJson } from '../http/respond.ts'
import { CONFIRM_TIMEOUT_MS } from '../smh/client.ts'
import { completeInSmh } from '../uploads/complete.ts'
import { defineEndpoint } from './endpoint.ts'
import { storedFileResponse, uploadErrors } from './openapi-responses.ts'
import { onOwnedUpload } from './ownership.ts'
import { confirmKeyParam, fileDetails, toStoredFile } from './schemas.ts'

const body = z
  .strictObject({
    crc64: z
      .string()
      // Aborts here: BigInt would throw on text that is no number.
      .regex(/^(0|[1-9]\d{0,19})$/, { error: 'must be an unsigned decimal', abort: true })
      .refine((value) => BigInt(value) < 2n ** 64n, 'has more than 64 bits')
      .optional()
      .meta({
        description:
          'CRC-64/XZ of the whole file, unsigned decimal. SMH compares it with the received data.',
        example: '695790826536341425',
      }),
    ...fileDetails,
  })
  .meta({ id: 'CompleteUpload' })

/** Checks the parts and confirms the upload in SMH. A repeat returns the same file. */
export const completeUpload = defineEndpoint(
  {
    operationId: 'completeUpload',
    method: 'post',
    path: '/v1/uploads/{confirmKey}/complete',
    tags: ['Uploads'],
    summary: 'Complete an upload',
    description:
      'The file exists, and its name is certain, only after this call. A repeat returns the same file, ' +
      'so repeat it when a response was lost. A repeat may lack `isOverwritten`, `preview…` and `fileType`.',
    request: {
      params: confirmKeyParam,
      body: { required: false, content: { 'application/json': { schema: body } } },
    },
    responses: {
      200: storedFileResponse('The file is stored.'),
    },
  },
  [
    ...uploadErrors,
    'upload_not_found',
    'parent_not_found',
    'name_conflict',
    'upload_complete',
    'request_too_large',
    'file_too_large',
    'unsupported_media_type',
    'upload_incomplete',
    'size_mismatch',
    'checksum_mismatch',
    'content_refused',
    'quota_exceeded',
  ],
  (services) =>
    async (request, { params, body }) => {
      const { smh, config, ledger } = services
      const { confirmKey } = params
      const stored = await onOwnedUpload(services, request, confirmKey, (upload) =>
        completeInSmh(smh, upload, config.upload, body, request),
      )
      await ledger.ended(request.user.id, confirmKey, 'completed')
      return respondJson(request, toStoredFile(stored), 200)
    },
  { extraTimeMs: CONFIRM_TIMEOUT_MS },
)
