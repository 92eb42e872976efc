import { errorFields, GatewayError } from '../errors.ts'
import type { LogRecord } from '../log-record.ts'
import type { Log, LogLevel, Metrics } from '../ports.ts'
import type { RequestContext } from './request-context.ts'

/** Logs and measures a request that has its response, with a fixed set of fields. */
export function recordAccess(
  request: RequestContext,
  status: number,
  log: Log,
  metrics: Metrics,
): void {
  const { id, startedAt, operation, reason, error } = request
  const durationMs = performance.now() - startedAt
  metrics.answered(operation, status, durationMs)
  const record: LogRecord = {
    event: 'request',
    requestId: id,
    operation,
    method: request.hono.req.method,
    status,
    durationMs: Math.round(durationMs * 10) / 10,
  }
  if (reason) record.reason = reason
  if (error !== undefined) Object.assign(record, errorFields(error))
  log(levelOf(status, error), record)
}

function levelOf(status: number, error: unknown): LogLevel {
  if (status === 500) return 'error'
  if (!(error instanceof GatewayError)) return 'info'
  return error.details.severity ?? (status < 500 ? 'info' : 'warn')
}
