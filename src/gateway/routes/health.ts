import type { Context } from 'hono'
import * as z from 'zod'
import { GatewayError } from '../errors.ts'
import { errorFields, logLevelFor } from '../http/access-log.ts'
import type { AppEnv } from '../http/app-env.ts'
import { respondJson } from '../http/respond.ts'
import type { Bounds } from '../smh/transport.ts'
import { boundsOf, defineEndpoint, type Endpoint } from './endpoint.ts'
import { jsonAnswer } from './openapi-responses.ts'

/** An answer of /readyz serves this long, so that nobody can hammer SMH or the issuer through it. */
const KEEP_ANSWER_MS = 5000

/** Checks under way at the same time where requests cannot share one: a flood must not become theirs. */
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
  () => (c) => respondJson(c, { status: 'alive' }, 200),
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
    // Settled values, never a pending promise: see SingleFlight in deps.ts.
    let last: { ready: boolean; at: number } | undefined
    const underWay = new Set<Bounds>()

    async function check(c: Context<AppEnv>): Promise<boolean> {
      const bounds: Bounds = { endsAt: boundsOf(services, c).endsAt }
      // Those that the platform broke off did not see to it themselves.
      for (const each of underWay) if (each.endsAt <= performance.now()) underWay.delete(each)
      if (underWay.size >= MAX_CHECKS) return false
      underWay.add(bounds)
      let ready = true
      try {
        await services.checkReady(bounds)
      } catch (error) {
        ready = false
        services.log(logLevelFor(error), { event: 'not ready', ...errorFields(error) })
      }
      underWay.delete(bounds)
      last = { ready, at: services.monotonicClock() }
      return ready
    }

    return async (c) => {
      const isRecent = last && services.monotonicClock() - last.at < KEEP_ANSWER_MS
      const ready = isRecent
        ? last?.ready
        : await services.singleFlight('readiness', () => check(c as Context<AppEnv>))
      if (ready) return respondJson(c, { status: 'ready' }, 200)
      throw new GatewayError('upstream_unavailable', 'Uploads cannot begin right now.', {
        reason: 'not_ready',
        headers: { 'Retry-After': String(KEEP_ANSWER_MS / 1000) },
      })
    }
  },
)

/** For load balancers; no JWT needed. */
export const probes = [getLiveness, getReadiness] as unknown as readonly Endpoint[]
