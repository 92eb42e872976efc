import { fileURLToPath } from 'node:url'

/** The folder of wrangler.toml, in which wrangler must run. */
export const projectFolder = fileURLToPath(new URL('../..', import.meta.url))

/** wrangler's script for Node, as installed in this project. */
export const wranglerScript = fileURLToPath(
  new URL('../../node_modules/wrangler/bin/wrangler.js', import.meta.url),
)

/** Environment that keeps wrangler from checking for updates, sending metrics and writing a log. */
export const wranglerEnvironment = {
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_WRITE_LOGS: 'false',
} as const
