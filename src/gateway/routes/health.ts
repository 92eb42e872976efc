import * as z from 'zod'
import { errorFields, GatewayError, logLevelFor } from '../errors.ts'
import type { RequestContext } from '../http/request-context.ts'
import { respondJson } from '../http/respond.ts'
import type { CallLimits } from '../smh/transport.ts'
import { defineEndpoint, type Endpoint } from './endpoint.ts'
import { jsonAnswer } from './openapi-responses.ts'

/** How long a response of /readyz is reused, so that requests to it cannot flood SMH or the issuer. */
const KEEP_ANSWER_MS = 5000

/** Checks at once where requests cannot share one, so that a flood of requests stays here. */
const MAX_CHECKS = 4

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
    responses: { 200: jsonAnswer('The process responds.', state) },
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
      200: jsonAnswer('Uploads can begin.', state),
    },
  },
  ['method_not_allowed', 'upstream_unavailable'],
  (services) => {
    // Settled values, never a pending promise: see SingleFlight in ports.ts.
    let last: { ready: boolean; at: number } | undefined
    const underWay = new Set<CallLimits>()

    async function check({ deadline }: RequestContext): Promise<boolean> {
      // Without the signal: other requests wait for this check as well.
      const limits: CallLimits = { deadline }
      // A check that the platform has ended does not remove itself.
      for (const each of underWay) if (each.deadline <= performance.now()) underWay.delete(each)
      if (underWay.size >= MAX_CHECKS) return false
      underWay.add(limits)
      let ready = true
      try {
        await services.checkReady(limits)
      } catch (error) {
        ready = false
        services.log(logLevelFor(error), { event: 'not_ready', ...errorFields(error) })
      }
      underWay.delete(limits)
      last = { ready, at: services.monotonicClock() }
      return ready
    }

    return async (request) => {
      const isRecent = last && services.monotonicClock() - last.at < KEEP_ANSWER_MS
      const ready = isRecent
        ? last?.ready
        : await services.singleFlight('readiness', () => check(request))
      if (ready) return respondJson(request, { status: 'ready' }, 200)
      throw new GatewayError('upstream_unavailable', 'Uploads cannot begin right now.', {
        reason: 'not_ready',
        headers: { 'Retry-After': String(KEEP_ANSWER_MS / 1000) },
      })
    }
  },
)

/** For load balancers, without a JWT. */
export const probes = [getLiveness, getReadiness] as unknown as readonly Endpoint[]
