import { z } from '@hono/zod-openapi'
import { headersOf } from '../app-env.ts'
import type { LimitBegins } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { permitUpload, readMetadata } from '../policy.ts'
import { respondEmpty, respondJson } from '../respond.ts'
import { beginInSmh } from '../smh/begin.ts'
import { credentialsAnswer, emptyAnswer, ofEveryUpload, storedFileAnswer } from './answers.ts'
import { boundsOf, defineEndpoint, placeOfCaller } from './endpoint.ts'
import {
  beginningHash,
  credentials,
  credentialsHeaders,
  fileDetails,
  fullHash,
  toCredentials,
  toStoredFile,
  trafficLimit,
} from './upload-fields.ts'

const body = z
  .strictObject({
    path: z.string().openapi({
      description:
        "Relative to the user's folder, separated by slashes; the last segment is the file name.",
      example: 'holiday/clip.mp4',
    }),
    size: z.int().min(1).openapi({
      description: 'Bytes. Checked again at completion.',
      example: 2_097_162,
    }),
    conflictResolutionStrategy: z
      .enum(['ask', 'rename', 'overwrite'])
      .default('rename')
      .openapi({ description: 'What happens when the name is taken.' }),
    trafficLimit: trafficLimit.optional(),
    preferSameOrigin: z.boolean().optional().openapi({
      description:
        'Where a file of this name is there already, COS is asked to take this one at the same domain.',
    }),
    beginningHash: beginningHash.optional(),
    fullHash: fullHash.optional(),
    ...fileDetails,
  })
  .openapi('BeginUpload')

/** What most uploads begin with; all else is for those who want it. */
const example = { path: 'holiday/clip.mp4', size: 2_097_162 }

/** Begins an upload: policy decides, SMH makes the task, the caller gets its key bound to them. */
export const beginUpload = defineEndpoint(
  {
    operationId: 'beginUpload',
    method: 'post',
    path: '/v1/uploads',
    tags: ['Uploads'],
    summary: 'Begin an upload',
    description:
      'Gives what the client needs to send the parts to COS by itself. Request headers named ' +
      '`x-smh-meta-<name>` are stored with the file: at most 20, with at most 2 KiB of names and ' +
      'values together. Values are printable ASCII; percent-encode anything else (UTF-8).',
    request: {
      body: { required: true, content: { 'application/json': { schema: body, example } } },
    },
    responses: {
      201: credentialsAnswer('Send the parts to COS, then complete the upload.', credentials),
      202: emptyAnswer(
        'SMH may have the file already: repeat the request with `fullHash` as well. No upload exists yet.',
      ),
      200: storedFileAnswer('Instant upload: SMH had the file, and it is stored under this name.'),
    },
  },
  [
    ...ofEveryUpload,
    'parent_not_found',
    'name_conflict',
    'request_too_large',
    'file_too_large',
    'unsupported_media_type',
    'rate_limited',
    'metadata_too_large',
    'content_refused',
    'quota_exceeded',
  ],
  (services) => async (c) => {
    const { config, clock, smh, binding } = services
    await refuseTooMany(services.limitBegins, c.get('user').id)
    const place = placeOfCaller(services, c)
    const metadata = readMetadata(config.upload, headersOf(c))
    const upload = permitUpload(config.upload, place, c.req.valid('json'), metadata)

    const begunAt = clock()
    const outcome = await beginInSmh(
      smh,
      upload,
      config.upload.createParents,
      boundsOf(services, c),
    )
    switch (outcome.kind) {
      case 'needs-full-hash':
        return respondEmpty(c, 202)
      case 'stored':
        return respondJson(c, toStoredFile(outcome.file, place.prefix), 200)
      case 'task': {
        const confirmKey = binding.bind(place, {
          smhConfirmKey: outcome.task.confirmKey,
          size: upload.wanted.size,
          strategy: upload.wanted.conflictResolutionStrategy,
          endsAt: Math.floor(begunAt / 1000) + config.upload.maxAgeSeconds,
        })
        return respondJson(
          c,
          toCredentials(outcome.task, confirmKey),
          201,
          credentialsHeaders(outcome.task, confirmKey),
        )
      }
    }
  },
)

async function refuseTooMany(limitBegins: LimitBegins, userId: string): Promise<void> {
  const waitSeconds = await limitBegins(userId)
  if (waitSeconds === 0) return
  throw new GatewayError('rate_limited', 'You begin too many uploads; wait a little.', {
    headers: { 'Retry-After': String(waitSeconds) },
  })
}
