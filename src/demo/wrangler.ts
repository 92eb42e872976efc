import { fileURLToPath } from 'node:url'

/** Where wrangler.toml is, and where wrangler has to be run. */
export const projectFolder = fileURLToPath(new URL('../..', import.meta.url))

/** The wrangler of this project, a script for Node. */
export const wranglerScript = fileURLToPath(
  new URL('../../node_modules/wrangler/bin/wrangler.js', import.meta.url),
)

/** Has wrangler ask nobody for updates, report to nobody and keep no log in the home directory. */
export const wranglerManners = {
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_WRITE_LOGS: 'false',
} as const
