#!/usr/bin/env -S node --max-semi-space-size=16 --heap-growing-percent=20
import { ConfigurationError, parseConfig } from './config.ts'
import { startGateway, warnOfUnknownVariables } from './node/gateway.ts'
import { createNodeLog } from './node/log.ts'
import { errorFields } from './observability.ts'

/** The Node entry: configuration from the environment, one process, a clean end. */

const config = readConfig()
const { log, end } = createNodeLog(config.logLevel)
warnOfUnknownVariables(process.env, log)

for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.once(event, (error: unknown) => {
    // Node itself would print the message, which may quote a value.
    log('fatal', { event: 'crashed', ...errorFields(error) })
    void exit(1)
  })
}

try {
  const gateway = await startGateway({ config, log })
  log('info', { event: 'listening', address: gateway.url })
  if (gateway.adminUrl) log('info', { event: 'metrics listening', address: gateway.adminUrl })
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

async function exit(status: number): Promise<never> {
  await end()
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
