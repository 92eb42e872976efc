import type { MiddlewareHandler } from 'hono'
import { GatewayError } from '../errors.ts'
import type { Log, LogLevel, LogRecord, Metrics } from '../ports.ts'
import type { AppEnv } from './request-context.ts'

/** Writes one line and one measurement for each request, from a fixed set of fields. */
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

/** What may be said of an error in the log: codes and fixed words, frames without the message. */
export function errorFields(error: unknown): Partial<LogRecord> {
  if (error === undefined) return {}
  if (error instanceof GatewayError) {
    const { reason, log } = error.details
    return { code: error.code, ...(reason && { reason }), ...log }
  }
  if (!(error instanceof Error)) return { code: 'internal_error', errorName: typeof error }
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
  return { code: 'internal_error', errorName: error.name, stack: frames.map((f) => f.trim()) }
}

/** The level of a log line about a failure that no client caused. */
export function logLevelFor(error: unknown): LogLevel {
  return error instanceof GatewayError ? (error.details.severity ?? 'warn') : 'warn'
}

function levelOf(status: number, error: unknown): LogLevel {
  if (status === 500) return 'error'
  if (!(error instanceof GatewayError)) return 'info'
  return error.details.severity ?? (status < 500 ? 'info' : 'warn')
}
