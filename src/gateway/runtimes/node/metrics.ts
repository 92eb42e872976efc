import { createServer, type Server } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { invalidTokenReasons, type Metrics } from '../../ports.ts'

/** Seconds. SMH usually responds within 100 ms; a confirm may take a minute. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export interface NodeMetrics extends Metrics {
  registry: Registry
}

/**
 * Creates the Prometheus metrics. Labels are operation ids, statuses and fixed words, so their number is small.
 *
 * @param droppedLogLines how many lines the log has dropped so far
 */
export function createNodeMetrics(droppedLogLines: () => number = () => 0): NodeMetrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  // The suffix `_total` is reserved for counters. Each of these gauges is the sum of another one.
  for (const { name } of registry.getMetricsAsArray()) {
    const isGauge = registry.getSingleMetric(name) instanceof Gauge
    if (isGauge && name.endsWith('_total')) registry.removeSingleMetric(name)
  }
  const requests = new Histogram({
    name: 'gateway_request_duration_seconds',
    help: 'Requests answered, by operation and status.',
    labelNames: ['operation', 'status'] as const,
    buckets,
    registers: [registry],
  })
  const calls = new Histogram({
    name: 'gateway_smh_call_duration_seconds',
    help: 'Calls to SMH, by operation and outcome.',
    labelNames: ['operation', 'outcome'] as const,
    buckets,
    registers: [registry],
  })
  const refused = new Counter({
    name: 'gateway_requests_refused_total',
    help: 'Requests answered with 429 or 503, by status.',
    labelNames: ['status'] as const,
    registers: [registry],
  })
  let inFlight = 0
  new Gauge({
    name: 'gateway_requests_in_flight',
    help: 'Requests being served.',
    registers: [registry],
    collect() {
      this.set(inFlight)
    },
  })
  const circuit = new Gauge({
    name: 'gateway_smh_circuit_open',
    help: '1 while the circuit is open and SMH gets only trial calls.',
    registers: [registry],
  })
  let ledger: Gauge | undefined
  const failures = new Counter({
    name: 'gateway_authentication_failures_total',
    help: 'Requests answered with 401, by reason.',
    labelNames: ['reason'] as const,
    registers: [registry],
  })
  // Each reason starts at 0, so that its first failure shows as an increase.
  for (const reason of ['missing_token', ...invalidTokenReasons]) failures.inc({ reason }, 0)
  new Counter({
    name: 'gateway_log_lines_dropped_total',
    help: 'Log lines dropped because the disk was full or the reader of the log stalled.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(droppedLogLines())
    },
  })
  return {
    registry,
    answered(operation, status, durationMs) {
      requests.observe({ operation, status }, durationMs / 1000)
      if (status === 429 || status === 503) refused.inc({ status })
    },
    calledOut(operation, outcome, durationMs) {
      calls.observe({ operation, outcome }, durationMs / 1000)
    },
    inFlight(count) {
      inFlight = count
    },
    circuitOpen(isOpen) {
      circuit.set(isOpen ? 1 : 0)
    },
    ledgerAvailable(isAvailable) {
      ledger ??= new Gauge({
        name: 'gateway_ledger_available',
        help: '1 while the shared ledger answers, 0 while this instance uses its own.',
        registers: [registry],
      })
      ledger.set(isAvailable ? 1 : 0)
    },
    authenticationFailed(reason) {
      failures.inc({ reason })
    },
  }
}

/** Creates the server of `/metrics`. It listens on its own port, never on the public one. */
export function serveMetrics(registry: Registry): Server {
  return createServer(async (request, response) => {
    const [path] = request.url?.split('?') ?? []
    if (path !== '/metrics' || !['GET', 'HEAD'].includes(request.method ?? '')) {
      response.writeHead(404).end()
      return
    }
    try {
      const text = await registry.metrics()
      response.writeHead(200, { 'Content-Type': registry.contentType }).end(text)
    } catch {
      response.writeHead(500).end()
    }
  })
}
