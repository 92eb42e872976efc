import * as z from 'zod'
import { GatewayError } from '../errors.ts'
import { respondJson } from '../http/respond.ts'
import { defineEndpoint, type Endpoint } from './endpoint.ts'
import { jsonResponse } from './openapi-responses.ts'
import { createReadiness, RESULT_LASTS_MS } from './readiness.ts'

const state = z
  .object({ status: z.string().meta({ example: 'ready' }) })
  .meta({ id: 'HealthStatus' })

const getLiveness = defineEndpoint(
  {
    operationId: 'getLiveness',
    method: 'get',
    path: '/livez',
    tags: ['Health'],
    summary: 'Check that the process responds',
    security: [],
    responses: { 200: jsonResponse('The process responds.', state) },
  },
  ['method_not_allowed'],
  () => (request) => respondJson(request, { status: 'alive' }, 200),
)

const getReadiness = defineEndpoint(
  {
    operationId: 'getReadiness',
    method: 'get',
    path: '/readyz',
    tags: ['Health'],
    summary: 'Check that uploads can begin',
    description:
      'Signing keys and an SMH token are available. The result is up to five seconds old.',
    security: [],
    responses: {
      200: jsonResponse('Uploads can begin.', state),
    },
  },
  ['method_not_allowed', 'upstream_unavailable'],
  (services) => {
    const isReady = createReadiness(services)
    return async (request) => {
      if (await isReady(request)) return respondJson(request, { status: 'ready' }, 200)
      throw new GatewayError('upstream_unavailable', 'Uploads cannot begin right now.', {
        reason: 'not_ready',
        headers: { 'Retry-After': String(RESULT_LASTS_MS / 1000) },
      })
    }
  },
)

/** For load balancers, without a JWT. */
export const probes = [getLiveness, getReadiness] as unknown as readonly Endpoint[]
