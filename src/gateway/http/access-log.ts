import type { MiddlewareHandler } from 'hono'
import { GatewayError } from '../errors.ts'
import type { Log, LogLevel, LogRecord, Metrics } from '../ports.ts'
import type { AppEnv } from './app-env.ts'

/** One line and one measurement for each request, of a fixed set of fields. */
export function observe(log: Log, metrics: Metrics): MiddlewareHandler<AppEnv> {
  return async function observe(c, next) {
    const startedAt = performance.now()
    c.set('startedAt', startedAt)
    await next()
    const durationMs = performance.now() - startedAt
    const operation = c.get('operation') ?? 'none'
    const reason = c.get('reason')
    metrics.answered(operation, c.res.status, durationMs)
    log(levelOf(c.res.status, c.error), {
      event: 'request',
      requestId: c.get('requestId'),
      operation,
      method: c.req.method,
      status: c.res.status,
      durationMs: Math.round(durationMs * 10) / 10,
      ...(reason && { reason }),
      ...errorFields(c.error),
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
