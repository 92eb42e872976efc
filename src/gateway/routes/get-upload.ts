import * as z from 'zod'
import { respondJson } from '../http/respond.ts'
import { relativePath } from '../uploads/policy.ts'
import { defineEndpoint } from './endpoint.ts'
import { jsonResponse, uploadErrors } from './openapi-responses.ts'
import { onOwnedUpload } from './ownership.ts'
import { confirmKeyParam, declaredSize, method } from './schemas.ts'

const uploadStatus = z
  .object({
    confirmed: z.boolean().meta({ description: 'Whether the file is stored.' }),
    path: z
      .array(z.string())
      .nullable()
      .meta({
        description: "Relative to the user's folder; null when its folder is gone.",
        example: ['holiday', 'clip.mp4'],
      }),
    size: declaredSize,
    method: method.meta({ example: 'multipart' }),
    uploadId: z.string().optional().meta({ example: '1741519353exampleuploadid' }),
    parts: z
      .array(
        z
          .object({
            partNumber: z.int().meta({ format: 'int32', example: 1 }),
            size: z.int().meta({ description: 'Bytes.', format: 'int64', example: 1_048_576 }),
            eTag: z.string().meta({ example: '"7202826a7791073fe2787f0c94603278"' }),
            lastModified: z.string().meta({ example: '2026-03-09T11:23:01.000Z' }),
          })
          .meta({ id: 'ReceivedPart' }),
      )
      .optional()
      .meta({ description: 'The parts that COS has received.' }),
  })
  .meta({ id: 'UploadStatus' })

/** The parts of an upload that have arrived. Credentials come from begin and renew alone. */
export const getUpload = defineEndpoint(
  {
    operationId: 'getUpload',
    method: 'get',
    path: '/v1/uploads/{confirmKey}',
    tags: ['Uploads'],
    summary: 'Get the status of an upload',
    description: 'To resume an upload, send the parts that are not listed or have another size.',
    request: { params: confirmKeyParam },
    responses: {
      200: jsonResponse('The state of the upload.', uploadStatus),
    },
  },
  [...uploadErrors, 'upload_not_found', 'name_conflict'],
  (services) =>
    async (request, { params }) => {
      const { smh, ledger } = services
      const { confirmKey } = params
      const status = await onOwnedUpload(services, request, confirmKey, async (upload) => {
        const { confirmed, path, uploadId, parts } = await smh.status(upload, request)
        return {
          confirmed,
          path: relativePath(upload.scope.rootPath, path),
          size: upload.size,
          method: upload.method,
          ...(uploadId !== undefined && { uploadId }),
          ...(parts && { parts }),
        }
      })
      if (status.confirmed) await ledger.ended(request.user.id, confirmKey, 'completed')
      return respondJson(request, status, 200)
    },
)
