/**
 * The package's main entry: the gateway as a fetch handler, for a server or a runtime of one's own. Whoever
 * wants it as a server takes `/node`, as a Worker `/worker`.
 */
export { type App, createApp } from './app.ts'
export {
  type CallOut,
  CallOutFault,
  type CallOutFaultKind,
  type CallOutReply,
  type CallOutRequest,
  MAX_REPLY_BYTES,
} from './call-out.ts'
export { type Config, type ConfigFault, ConfigurationError, parseConfig } from './config.ts'
export * from './deps.ts'
/** What `createApp` is to be given, for runtimes that have `fetch` and a console. */
export { createLimitCalls } from './node/limit-calls.ts'
export { fewFlights, oneFlight } from './share.ts'
export { callOut as fetchCallOut } from './worker/call-out.ts'
export { createWorkerLog as createConsoleLog, type WriteLine } from './worker/log.ts'
