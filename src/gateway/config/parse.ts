import type { PrefixSegment } from './path-prefix.ts'
import { isPlain, isUnset } from './readers.ts'
import type { Secret } from './secret.ts'
import { configVariables, type Variables, variables } from './variables.ts'

export interface SmhConfig {
  libraryId: string
  /** Scheme, host and port; no trailing slash. */
  endpoint: string
  credential: { kind: 'library-secret'; secret: Secret } | { kind: 'access-token'; token: Secret }
  tokenMode: 'shared' | 'per-user'
  tokenPeriodSeconds: number
  space: { kind: 'fixed'; id: string } | { kind: 'claim'; claim: string }
}

export interface JwtConfig {
  issuer: string
  audiences: readonly string[]
  /** Undefined: taken from the issuer's OpenID discovery document. */
  jwksUrl: string | undefined
  algorithms: readonly string[]
  userClaim: string
  requiredScope: string | undefined
  clockToleranceSeconds: number
  /** How long a token that was good is not checked again; 0 checks it every time. */
  cacheSeconds: number
}

export type ConflictStrategy = 'ask' | 'rename' | 'overwrite'

export interface UploadRules {
  prefix: readonly PrefixSegment[]
  maxBytes: number
  /** Lower case, without the dot. Undefined: all. */
  allowedExtensions: ReadonlySet<string> | undefined
  conflictStrategies: ReadonlySet<ConflictStrategy>
  /** Lower-case names after `x-smh-meta-`. Undefined: all. */
  metaKeys: ReadonlySet<string> | undefined
  trafficLimitBytesPerSecond: number | undefined
  instant: boolean
  createParents: boolean
  maxAgeSeconds: number
}

/** The first signs, all verify. `derived`: from the library secret, by HKDF. */
export type ConfirmKeyConfig =
  | { kind: 'given'; secrets: readonly Secret[] }
  | { kind: 'derived'; from: Secret }

export interface Config {
  smh: SmhConfig
  jwt: JwtConfig
  upload: UploadRules
  confirmKey: ConfirmKeyConfig
  corsOrigins: ReadonlySet<string>
  /** Begins a user and minute; 0 switches the limit off. */
  rateLimitPerMinute: number
  maxInFlight: number
  upstreamTimeoutSeconds: number
  host: string
  port: number
  adminPort: number | undefined
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent'
}

/** A variable that is missing or cannot be used, and what would do. Never holds a value. */
export interface ConfigFault {
  variable: string
  /** Reads on after "wants". */
  wants: string
}

/** Thrown by {@link parseConfig}. The message is for the operator's eyes, one line a variable. */
export class ConfigurationError extends Error {
  readonly faults: readonly ConfigFault[]

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(({ variable, wants }) => `  ${variable} wants ${wants}`)
    super(`The configuration cannot be used:\n${lines.join('\n')}`)
    this.name = 'ConfigurationError'
    this.faults = faults
  }
}

function defaultEndpoint(libraryId: string): string {
  return `https://${libraryId.toLowerCase()}.api.tencentsmh.cn`
}

/**
 * The configuration that `record` describes (contract §4): environment variables on Node, bindings on
 * Workers. A blank value counts as unset, blanks around a value are dropped, and a number or boolean
 * (which a Workers var may be) counts as its text.
 *
 * @throws ConfigurationError naming every variable that is missing, out of range or at odds with
 * another one, and never a value
 */
export function parseConfig(record: Readonly<Record<string, unknown>>): Config {
  const given = readGiven(record)
  const parsed = variables.safeParse(given)
  const issues = parsed.success ? [] : parsed.error.issues
  const faults = [
    ...issues.map(({ path, message }) => ({ variable: String(path[0]), wants: message })),
    ...crossFaults(given),
  ]
  if (!parsed.success || faults.length > 0) throw new ConfigurationError(faults)
  return toConfig(parsed.data)
}

/**
 * Names in `record` that look like ours and are not, sorted: most likely somebody's typing error.
 * Values that are no text (a Workers binding may have any name) are passed over.
 */
export function unknownVariables(record: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(record)
    .filter((name) =>
      /^(?:SMH_|JWT_|UPLOAD_|CONFIRM_|CORS_|RATE_|MAX_IN|UPSTREAM_|ADMIN_PORT|LOG_LEVEL)/i.test(
        name,
      ),
    )
    .filter((name) => !configVariables.includes(name) && isPlain(record[name]))
    .sort()
}

function readGiven(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given: Record<string, unknown> = {}
  for (const name of configVariables) {
    const value = record[name]
    const text = isPlain(value) ? String(value).trim() : value
    if (!isUnset(text)) given[name] = text
  }
  return given
}

/** Faults between variables. Told beside those within one, so that one start shows them all. */
function crossFaults(given: Readonly<Record<string, unknown>>): ConfigFault[] {
  const faults: ConfigFault[] = []
  const fault = (variable: string, wants: string) => faults.push({ variable, wants })
  const mints = given.SMH_LIBRARY_SECRET !== undefined
  const token = given.SMH_ACCESS_TOKEN !== undefined
  if (mints === token) {
    const state = mints ? 'to be unset' : 'to be set'
    fault('SMH_LIBRARY_SECRET', `${state}: exactly one of it and SMH_ACCESS_TOKEN`)
    fault('SMH_ACCESS_TOKEN', `${state}: exactly one of it and SMH_LIBRARY_SECRET`)
  }
  if (token && !mints) {
    if (given.CONFIRM_KEY_SECRETS === undefined) {
      fault('CONFIRM_KEY_SECRETS', 'to be set: with SMH_ACCESS_TOKEN it cannot be derived')
    }
    if (given.SMH_TOKEN_MODE === 'per-user') {
      fault('SMH_TOKEN_MODE', 'shared: only SMH_LIBRARY_SECRET can mint a token for each user')
    }
  }
  const adminPort = Number(given.ADMIN_PORT ?? 0)
  if (adminPort !== 0 && adminPort === Number(given.PORT ?? 8787)) {
    fault('ADMIN_PORT', 'another port than PORT')
  }
  return faults
}

function toConfig(read: Variables): Config {
  return {
    smh: {
      libraryId: read.SMH_LIBRARY_ID,
      endpoint: read.SMH_ENDPOINT ?? defaultEndpoint(read.SMH_LIBRARY_ID),
      credential: read.SMH_LIBRARY_SECRET
        ? { kind: 'library-secret', secret: read.SMH_LIBRARY_SECRET }
        : { kind: 'access-token', token: read.SMH_ACCESS_TOKEN! },
      tokenMode: read.SMH_TOKEN_MODE,
      tokenPeriodSeconds: read.SMH_TOKEN_PERIOD_SECONDS,
      space: read.SMH_SPACE_CLAIM
        ? { kind: 'claim', claim: read.SMH_SPACE_CLAIM }
        : { kind: 'fixed', id: read.SMH_SPACE_ID },
    },
    jwt: {
      issuer: read.JWT_ISSUER,
      audiences: read.JWT_AUDIENCE,
      jwksUrl: read.JWT_JWKS_URL,
      algorithms: read.JWT_ALGORITHMS,
      userClaim: read.JWT_USER_CLAIM,
      requiredScope: read.JWT_REQUIRED_SCOPE,
      clockToleranceSeconds: read.JWT_CLOCK_TOLERANCE_SECONDS,
      cacheSeconds: read.JWT_CACHE_SECONDS,
    },
    upload: {
      prefix: read.UPLOAD_PATH_PREFIX,
      maxBytes: read.UPLOAD_MAX_BYTES,
      allowedExtensions: read.UPLOAD_ALLOWED_EXTENSIONS,
      conflictStrategies: read.UPLOAD_CONFLICT_STRATEGIES,
      metaKeys: read.UPLOAD_META_KEYS,
      trafficLimitBytesPerSecond: read.UPLOAD_TRAFFIC_LIMIT,
      instant: read.UPLOAD_INSTANT,
      createParents: read.UPLOAD_CREATE_PARENTS,
      maxAgeSeconds: read.UPLOAD_MAX_AGE_SECONDS,
    },
    confirmKey: read.CONFIRM_KEY_SECRETS
      ? { kind: 'given', secrets: read.CONFIRM_KEY_SECRETS }
      : { kind: 'derived', from: read.SMH_LIBRARY_SECRET! },
    corsOrigins: read.CORS_ORIGINS,
    rateLimitPerMinute: read.RATE_LIMIT_PER_MINUTE,
    maxInFlight: read.MAX_IN_FLIGHT,
    upstreamTimeoutSeconds: read.UPSTREAM_TIMEOUT_SECONDS,
    host: read.HOST,
    port: read.PORT,
    adminPort: read.ADMIN_PORT,
    logLevel: read.LOG_LEVEL,
  }
}
