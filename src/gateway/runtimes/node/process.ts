import { ConfigurationError, parseConfig } from '../../config/parse.ts'
import { errorFields } from '../../errors.ts'
import { createNodeLog } from './log.ts'
import { startGateway, warnOfUnknownVariables } from './start.ts'

/** Runs one gateway in this process: reads the environment, handles signals, ends with the log written. */

const config = readConfig()
const { log, droppedLines, end } = createNodeLog(config.logLevel)
warnOfUnknownVariables(process.env, log)

let crashed = false
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  // The listener stays: otherwise Node prints the message of a second error, which may contain a secret.
  process.on(event, (error: unknown) => {
    if (crashed) return
    crashed = true
    log('fatal', { event: 'crashed', ...errorFields(error) })
    void exit(1)
  })
}

try {
  const gateway = await startGateway({ config, log, droppedLogLines: droppedLines })
  log('info', { event: 'listening', address: gateway.url })
  if (gateway.adminUrl) log('info', { event: 'metrics_listening', address: gateway.adminUrl })
  void gateway.checkStart()
  const signals = ['SIGTERM', 'SIGINT'] as const
  const stop = () => {
    // A second signal ends the process at once, as it does by default.
    for (const signal of signals) process.off(signal, stop)
    log('info', { event: 'stopping' })
    void gateway.close().then(() => {
      log('info', { event: 'stopped' })
      return exit(0)
    })
  }
  for (const signal of signals) process.on(signal, stop)
} catch (error) {
  const { code = 'unknown', port = config.port } = error as { code?: string; port?: number }
  const variable = port === config.adminPort ? 'ADMIN_PORT' : 'PORT'
  process.stderr.write(`Cannot listen on HOST ${config.host}, ${variable} ${port}: ${code}\n`)
  await exit(1)
}

/**
 * Ends the process with `status`. If a write of the log is stuck, for example in a pipe without a reader,
 * `process.exit` would wait indefinitely. A signal then ends the process.
 */
async function exit(status: number): Promise<never> {
  if (!(await end())) process.kill(process.pid, 'SIGKILL')
  process.exit(status)
}

function readConfig() {
  try {
    return parseConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}
