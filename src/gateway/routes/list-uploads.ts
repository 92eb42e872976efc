import * as z from 'zod'
import { respondJson } from '../http/respond.ts'
import { maxListedOf } from '../ledger/ledger.ts'
import { listOpenUploads } from '../uploads/open-uploads.ts'
import { defineEndpoint, scopeOf } from './endpoint.ts'
import { jsonResponse, uploadErrors } from './openapi-responses.ts'
import { confirmKeyExample, declaredSize, method } from './schemas.ts'

const time = z.iso.datetime()

const openUploads = z
  .object({
    uploads: z
      .array(
        z
          .object({
            confirmKey: z.string().meta({ example: confirmKeyExample }),
            path: z.array(z.string()).meta({
              description: "Relative to the user's folder, as requested at begin.",
              example: ['holiday', 'clip.mp4'],
            }),
            size: declaredSize,
            method: method.meta({ example: 'multipart' }),
            beganAt: time.meta({ example: '2026-03-09T11:22:33.000Z' }),
            endsAt: time.meta({
              description: 'The upload must be complete before this time.',
              example: '2026-03-16T11:22:33.000Z',
            }),
          })
          .meta({ id: 'OpenUpload' }),
      )
      .meta({ description: 'Newest first.' }),
  })
  .meta({ id: 'OpenUploads' })

/** The open uploads of the user. Begun and neither completed nor aborted nor ended. */
export const listUploads = defineEndpoint(
  {
    operationId: 'listUploads',
    method: 'get',
    path: '/v1/uploads',
    tags: ['Uploads'],
    summary: 'List open uploads',
    description:
      'The uploads of this user that have begun and have neither completed nor ended, also those of other ' +
      'devices. To resume one, get its status and renew its credentials.',
    responses: {
      200: jsonResponse('The open uploads.', openUploads),
    },
  },
  uploadErrors,
  (services) => async (request) => {
    const { config, clock } = services
    const scope = scopeOf(services, request)
    const maxListed = maxListedOf(config.upload)
    const known = await listOpenUploads(services, scope, maxListed, clock())
    const uploads = known.map(({ confirmKey, path, size, method, beganAt, endsAt }) => ({
      confirmKey,
      path: [...path],
      size,
      method,
      // A confirm key ends at a whole second, and `UPLOAD_MAX_AGE_SECONDS` after its begin.
      beganAt: new Date(Math.floor(beganAt / 1000) * 1000).toISOString(),
      endsAt: new Date(endsAt).toISOString(),
    }))
    return respondJson(request, { uploads }, 200)
  },
)
