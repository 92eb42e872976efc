import { createServer } from 'node:http'
import pino from 'pino'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { settings } from './settings.js'

/** Lines are written together, at most a tenth of a second late. A stalled reader never blocks a request. */
const out = pino.destination({
  dest: 1,
  sync: false,
  minLength: 12 * 1024,
  maxLength: 4 * 1024 * 1024,
  periodicFlush: 100,
})

/** One JSON line per record, with the level as a word and the time in ISO 8601. */
export const log = pino(
  {
    level: settings.logLevel,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
  },
  out,
)

const registry = new Registry()
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const registers = [registry]
const requests = new Histogram({
  name: 'gateway_request_duration_seconds',
  help: 'Requests answered, by operation and status.',
  labelNames: ['operation', 'status'],
  buckets,
  registers,
})
const calls = new Histogram({
  name: 'gateway_smh_call_duration_seconds',
  help: 'Calls to SMH, by operation and outcome.',
  labelNames: ['operation', 'outcome'],
  buckets,
  registers,
})
const refused = new Counter({
  name: 'gateway_requests_refused_total',
  help: 'Requests answered with 429 or 503, by status.',
  labelNames: ['status'],
  registers,
})
const inFlight = new Gauge({
  name: 'gateway_requests_in_flight',
  help: 'Requests being served.',
  registers,
})

/** Measures and logs a request that has its response. */
export function recordRequest(requestId, method, status, startedAt, problem) {
  const durationMs = performance.now() - startedAt
  requests.observe({ operation: 'beginUpload', status }, durationMs / 1000)
  if (status === 429 || status === 503) refused.inc({ status })
  const level = status === 500 ? 'error' : status < 500 ? 'info' : 'warn'
  log[level]({
    event: 'request',
    requestId,
    operation: 'beginUpload',
    method,
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    code: problem?.code,
    reason: problem?.reason,
  })
}

export function recordCall(operation, outcome, startedAt) {
  calls.observe({ operation, outcome }, (performance.now() - startedAt) / 1000)
}

export function recordInFlight(count) {
  inFlight.set(count)
}

/** Serves `/metrics` on its own port, and prints the lines that the benchmark waits for. */
export function announce(address) {
  log.info({ event: 'listening', address })
  if (settings.adminPort === undefined) return
  collectDefaultMetrics({ register: registry })
  const server = createServer(async (_request, response) => {
    const text = await registry.metrics()
    response.writeHead(200, { 'Content-Type': registry.contentType }).end(text)
  })
  server.listen(settings.adminPort, '127.0.0.1', () => {
    const { port } = server.address()
    log.info({ event: 'metrics_listening', address: `http://127.0.0.1:${port}` })
  })
}
