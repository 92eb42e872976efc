/**
 * The package's main entry: the gateway as a fetch handler, for another server or runtime. The entry `/node`
 * is a whole server, `/worker` a Worker.
 */
export { type App, createApp } from './app.ts'
export { type Config, type ConfigIssue, ConfigurationError, parseConfig } from './config/parse.ts'
export {
  type HttpClient,
  HttpClientError,
  type HttpClientErrorKind,
  type HttpRequest,
  type HttpResponse,
  MAX_REPLY_BYTES,
} from './http-client.ts'
export * from './ledger/ledger.ts'
/** Arguments of `createApp` for runtimes that have `fetch` and a console. */
export { ledgerLimits } from './ledger/limits.ts'
export { createMemoryLedger } from './ledger/memory-ledger.ts'
export { createMemoryRateLimiter } from './ledger/memory-rate-limiter.ts'
export * from './ports.ts'
export { createConsoleLog } from './runtimes/shared/console-log.ts'
export { fetchClient } from './runtimes/shared/fetch-client.ts'
export type { WriteLine } from './runtimes/shared/json-log.ts'
export { createBoundedFlights, createSingleFlight } from './runtimes/shared/single-flight.ts'
