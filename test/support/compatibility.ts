import { readFileSync } from 'node:fs'

const toml = readFileSync(new URL('../../wrangler.toml', import.meta.url), 'utf8')
const [, compatibilityDate] = /^compatibility_date = "(.+)"$/m.exec(toml) ?? []
const [, flags] = /^compatibility_flags = (\[.+\])$/m.exec(toml) ?? []
if (!compatibilityDate || !flags) throw new Error('wrangler.toml has no compatibility settings.')

/** The compatibility settings of wrangler.toml, as options of Miniflare. */
export const compatibility = {
  compatibilityDate,
  compatibilityFlags: JSON.parse(flags.replaceAll("'", '"')) as string[],
}
