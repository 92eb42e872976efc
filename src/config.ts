import { z } from 'zod'
import {
  confirmSecret,
  endpointOrigin,
  integer,
  isPlain,
  issuerUrl,
  isUnset,
  list,
  matching,
  oneOf,
  secret,
  setOf,
  variable,
  webOrigin,
  yesOrNo,
} from './config-values.ts'
import { isMetadataKey, nameFault } from './names.ts'
import { type PrefixSegment, pathPrefix } from './path-prefix.ts'
import type { Secret } from './secret.ts'
import { parseTrustworthyUrl } from './trustworthy-url.ts'

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
  rememberSeconds: number
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

/** Whether `value` can be the id of a space in a multi-tenant library (contract §4, SMH §2.1). */
export function isClaimedSpaceId(value: unknown): value is string {
  // A lone hyphen is SMH's name for a single-tenant library's only space, so it is nobody's own.
  return typeof value === 'string' && /^[\w-]{1,128}$/.test(value) && value !== '-'
}

/** What COS can hold in one multipart object: 10,000 parts of 5 GiB (SMH §9). */
const LARGEST_OBJECT_BYTES = 10_000 * 5 * 1024 ** 3

/** A hundred years. Ends of life further off are beyond what a date can be. */
const LONGEST_AGE_SECONDS = 100 * 365 * 24 * 60 * 60

/** RFC 7518 §3.1, RFC 8037 §3.1 and RFC 9864 §2.2, without those whose key is a shared secret. */
const asymmetricAlgorithms: readonly string[] = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]

const loopbackOr = 'https (plain http only to a loopback address)'

const claimName = 'the name of a claim: letters, digits and _ . : / -'
const claimPattern = /^[\w.:/-]+$/

/** Every variable with its range and default, in the order of the contract's table (§4). */
const variables = z.object({
  // It becomes a label of the default endpoint's host name (RFC 1123 §2.1).
  SMH_LIBRARY_ID: matching(
    "the media library's id: up to 63 letters, digits and hyphens",
    /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/,
  ),
  SMH_LIBRARY_SECRET: secret("the media library's secret as text").optional(),
  SMH_ACCESS_TOKEN: secret('an access token as text').optional(),
  SMH_ENDPOINT: variable(
    `an ${loopbackOr} origin, without path, query, fragment and credentials`,
    endpointOrigin,
  ).optional(),
  SMH_TOKEN_MODE: oneOf('shared', 'per-user').default('shared'),
  SMH_TOKEN_PERIOD_SECONDS: integer(1200, 86_400).default(3600),
  SMH_SPACE_ID: variable('- or up to 128 letters, digits, - and _', (text) =>
    text === '-' || isClaimedSpaceId(text) ? text : undefined,
  ).default('-'),
  SMH_SPACE_CLAIM: matching(claimName, claimPattern).optional(),

  JWT_ISSUER: variable(
    `the issuer's URL, ${loopbackOr}, without query, fragment and credentials`,
    issuerUrl,
  ),
  JWT_AUDIENCE: list('one or more audiences', (item) => item),
  JWT_JWKS_URL: variable(
    `the key set's URL, ${loopbackOr}, without credentials`,
    (text) => parseTrustworthyUrl(text)?.href,
  ).optional(),
  JWT_ALGORITHMS: list(`some of ${asymmetricAlgorithms.join(', ')}`, (item) =>
    asymmetricAlgorithms.find((each) => each === item),
  ).default(['RS256', 'PS256', 'ES256', 'EdDSA']),
  JWT_USER_CLAIM: matching(claimName, claimPattern).default('sub'),
  // RFC 6749 §3.3: the characters of one scope.
  JWT_REQUIRED_SCOPE: matching(
    'one scope, without blanks',
    /^[\x21\x23-\x5b\x5d-\x7e]+$/,
  ).optional(),
  JWT_CLOCK_TOLERANCE_SECONDS: integer(0, 60).default(5),
  JWT_REMEMBER_SECONDS: integer(0, 60).default(60),

  UPLOAD_PATH_PREFIX: pathPrefix,
  UPLOAD_MAX_BYTES: integer(1, LARGEST_OBJECT_BYTES).default(5_368_709_120),
  UPLOAD_ALLOWED_EXTENSIONS: list('extensions such as jpg or .mp4, of one part each', (item) => {
    const extension = item.normalize('NFC').toLowerCase().replace(/^\./, '')
    return /[.\s]/.test(extension) || nameFault(extension) ? undefined : extension
  })
    .transform(setOf)
    .optional(),
  UPLOAD_CONFLICT_STRATEGIES: list('some of rename, ask, overwrite', (item) =>
    (['rename', 'ask', 'overwrite'] as const).find((each) => each === item),
  )
    .transform((items): ReadonlySet<ConflictStrategy> => new Set(items))
    .default(new Set<ConflictStrategy>(['rename', 'ask'])),
  UPLOAD_META_KEYS: list(
    'names as they follow x-smh-meta-, of letters, digits and . _ -',
    (item) => (isMetadataKey(item.toLowerCase()) ? item.toLowerCase() : undefined),
  )
    .transform(setOf)
    .optional(),
  UPLOAD_TRAFFIC_LIMIT: integer(102_400, 104_857_600).optional(),
  UPLOAD_INSTANT: yesOrNo().default(true),
  UPLOAD_CREATE_PARENTS: yesOrNo().default(true),
  UPLOAD_MAX_AGE_SECONDS: integer(1, LONGEST_AGE_SECONDS).default(604_800),

  CONFIRM_KEY_SECRETS: list('one or more secrets of 32 bytes or more', confirmSecret).optional(),
  CORS_ORIGINS: list('exact origins such as https://app.example.com', webOrigin)
    .transform(setOf)
    .default(new Set<string>()),
  RATE_LIMIT_PER_MINUTE: integer(0, 1_000_000).default(120),
  MAX_IN_FLIGHT: integer(1, 1_000_000).default(512),
  UPSTREAM_TIMEOUT_SECONDS: integer(1, 300).default(10),
  HOST: matching('an IP address or host name to listen on', /^[\w.:%-]+$/).default('127.0.0.1'),
  PORT: integer(0, 65_535).default(8787),
  ADMIN_PORT: integer(0, 65_535).optional(),
  LOG_LEVEL: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'silent').default('info'),
})

type Variables = z.infer<typeof variables>

/** The names of all variables that {@link parseConfig} reads, in the order of the contract's table. */
export const configVariables: readonly string[] = Object.keys(variables.shape)

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
    .filter((name) => /^(?:SMH|JWT|UPLOAD|CONFIRM_KEY|CORS|RATE_LIMIT|UPSTREAM)_/.test(name))
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
      rememberSeconds: read.JWT_REMEMBER_SECONDS,
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
