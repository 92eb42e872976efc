import { hkdfSync } from 'node:crypto'

/** What the two servers with all duties read of the gateway's variables, with the gateway's defaults. */
const { env } = process

const list = (text = '') => text.split(',').filter((entry) => entry !== '')
const setOrAll = (text) => (text ? new Set(list(text)) : undefined)

export const upstreamTimeoutMs = 1000 * Number(env.UPSTREAM_TIMEOUT_SECONDS ?? 10)

export const settings = {
  port: Number(env.PORT ?? 0),
  adminPort: env.ADMIN_PORT === undefined ? undefined : Number(env.ADMIN_PORT),
  logLevel: env.LOG_LEVEL ?? 'info',
  jwt: { issuer: env.JWT_ISSUER, audience: list(env.JWT_AUDIENCE), jwksUrl: env.JWT_JWKS_URL },
  tokenCacheMs: 1000 * Number(env.JWT_CACHE_SECONDS ?? 60),
  smh: {
    origin: env.SMH_ENDPOINT,
    libraryId: env.SMH_LIBRARY_ID,
    librarySecret: env.SMH_LIBRARY_SECRET,
    tokenSeconds: Number(env.SMH_TOKEN_PERIOD_SECONDS ?? 3600),
    spaceId: env.SMH_SPACE_ID ?? '-',
  },
  upload: {
    maxBytes: Number(env.UPLOAD_MAX_BYTES ?? 5_368_709_120),
    maxAgeSeconds: Number(env.UPLOAD_MAX_AGE_SECONDS ?? 604_800),
    extensions: setOrAll(env.UPLOAD_ALLOWED_EXTENSIONS),
    strategies: new Set(list(env.UPLOAD_CONFLICT_STRATEGIES ?? 'rename,ask')),
    metaKeys: setOrAll(env.UPLOAD_META_KEYS),
    trafficLimit: env.UPLOAD_TRAFFIC_LIMIT ? Number(env.UPLOAD_TRAFFIC_LIMIT) : undefined,
  },
  perMinute: Number(env.RATE_LIMIT_PER_MINUTE ?? 120),
  maxInFlight: Number(env.MAX_IN_FLIGHT ?? 512),
  confirmKeySecret: Buffer.from(
    hkdfSync('sha256', env.SMH_LIBRARY_SECRET, '', 'smh-upload-gateway confirm key 1', 32),
  ),
}

/** Maximum size of a request body, bytes. */
export const MAX_BODY_BYTES = 64 * 1024
/** How long a body may take to arrive, milliseconds. */
export const BODY_TIMEOUT_MS = 30_000
/** How long a connection may be idle between two requests, milliseconds. */
export const KEEP_ALIVE_MS = 70_000
/** How long a whole request may take to arrive, milliseconds. */
export const REQUEST_TIMEOUT_MS = 60_000
/** How long one request may take, for all of its calls to SMH. */
export const DEADLINE_MS = 3 * upstreamTimeoutMs - 500
