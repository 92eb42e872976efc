import * as z from 'zod'
import { isClaimedSpaceId, isMetadataKey, nameFault } from '../name-rules.ts'
import type { ConflictStrategy } from './parse.ts'
import { pathPrefix } from './path-prefix.ts'
import {
  confirmSecret,
  endpointOrigin,
  integer,
  issuerUrl,
  list,
  matching,
  oneOf,
  secret,
  setOf,
  variable,
  webOrigin,
  yesOrNo,
} from './readers.ts'
import { parseTrustworthyUrl } from './secure-url.ts'

/** What COS can hold in one multipart object: 10,000 parts of 5 GiB (docs/smh-protocol.md#9). */
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
export const variables = z.object({
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
  JWT_CACHE_SECONDS: integer(0, 60).default(60),

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

export type Variables = z.infer<typeof variables>

/** The names of all variables that the configuration is read from, in the order of the contract's table. */
export const configVariables: readonly string[] = Object.keys(variables.shape)
