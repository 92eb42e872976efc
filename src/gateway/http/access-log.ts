import type { MiddlewareHandler } from 'hono'
import { errorFields, GatewayError } from '../errors.ts'
import type { Log, LogLevel, Metrics } from '../ports.ts'
import type { AppEnv } from './request-context.ts'

/** Logs and measures each request, with a fixed set of fields. */
export function accessLog(log: Log, metrics: Metrics): MiddlewareHandler<AppEnv> {
  return async function accessLog(c, next) {
    await next()
    const { id, startedAt, operation, reason, error } = c.get('request')
    const { status } = c.res
    const durationMs = performance.now() - startedAt
    metrics.answered(operation, status, durationMs)
    log(levelOf(status, error), {
      event: 'request',
      requestId: id,
      operation,
      method: c.req.method,
      status,
      durationMs: Math.round(durationMs * 10) / 10,
      ...(reason && { reason }),
      ...errorFields(error),
    })
  }
}

function levelOf(status: number, error: unknown): LogLevel {
  if (status === 500) return 'error'
  if (!(error instanceof GatewayError)) return 'info'
  return error.details.severity ?? (status < 500 ? 'info' : 'warn')
}
