import {
  algorithms,
  apiOrigin,
  claimName,
  confirmKeySecrets,
  conflictStrategies,
  extensions,
  issuerUrl,
  keySetUrl,
  libraryId,
  metadataKeys,
  redisUrl,
  scope,
  spaceId,
  webOrigins,
} from './formats.ts'
import { pathPrefix } from './path-prefix.ts'
import { flag, integer, list, matching, oneOf, type Reader, secret } from './readers.ts'

export type Runtime = 'node' | 'worker'

/** The value of a variable that is not set. */
type Default =
  /** The default as text, which the variable's reader parses. */
  | string
  /** Nothing: the start fails, or it fails `unless` another variable is set. */
  | { required: true; unless?: string }
  /** No text: `unset` says for operators what happens then. The value is `value`, or undefined. */
  | { unset: string; value?: unknown }

/** Describes one configuration variable. `Config` and the documents are derived from it. */
export interface Variable {
  name: string
  reader: Reader<unknown>
  default: Default
  /** For operators, in Markdown. `reader.expected` and the default are printed next to it. */
  doc: string
  /** Where the variable has an effect. Default: everywhere. */
  runtimes?: readonly Runtime[]
  /** The value is a {@link Secret} or a list of them. */
  secret?: true
}

const required = { required: true } as const

/** What COS can hold in one multipart object: 10,000 parts of 5 GiB (docs/smh-protocol.md#9). */
const MAX_OBJECT_BYTES = 10_000 * 5 * 1024 ** 3

/** What COS accepts in one PUT (docs/smh-protocol.md#9). */
const MAX_PUT_BYTES = 5 * 1024 ** 3

/** A hundred years. A `Date` cannot represent times much later. */
const MAX_AGE_SECONDS = 100 * 365 * 24 * 60 * 60

/**
 * Every configuration variable, by its group and its key in `Config`. To add a variable, add an entry and
 * run `npm run docs`.
 */
const variables = {
  smh: {
    libraryId: {
      name: 'SMH_LIBRARY_ID',
      reader: libraryId,
      default: required,
      doc: 'Id of the media library, as the SMH console shows it.',
    },
    librarySecret: {
      name: 'SMH_LIBRARY_SECRET',
      reader: secret('the secret as text'),
      default: { required: true, unless: 'SMH_ACCESS_TOKEN' },
      doc: 'Secret of the media library. The gateway uses it to mint access tokens.',
      secret: true,
    },
    accessToken: {
      name: 'SMH_ACCESS_TOKEN',
      reader: secret('the token as text'),
      default: { unset: 'none' },
      doc:
        'Replaces `SMH_LIBRARY_SECRET`: an access token that another program has minted. ' +
        'The gateway uses it and renews it, but never mints another one.',
      secret: true,
    },
    endpoint: {
      name: 'SMH_ENDPOINT',
      reader: apiOrigin,
      default: { unset: '`https://{SMH_LIBRARY_ID}.api.tencentsmh.cn`' },
      doc: "Origin of the library's API.",
    },
    tokenMode: {
      name: 'SMH_TOKEN_MODE',
      reader: oneOf('shared', 'per-user'),
      default: 'shared',
      doc:
        '`shared`: one `admin` token serves all users, and each request to SMH names the user. ' +
        '`per-user`: each user has a token for each space, with the least grants. ' +
        '`per-user` needs `SMH_LIBRARY_SECRET`.',
    },
    tokenPeriodSeconds: {
      name: 'SMH_TOKEN_PERIOD_SECONDS',
      reader: integer(1200, 86_400),
      default: '3600',
      doc: 'A minted token expires after this many seconds without use.',
    },
    spaceId: {
      name: 'SMH_SPACE_ID',
      reader: spaceId,
      default: '-',
      doc: 'The space that receives the uploads. A single-tenant library has only the space `-`.',
    },
    spaceClaim: {
      name: 'SMH_SPACE_CLAIM',
      reader: claimName,
      default: { unset: 'none; `SMH_SPACE_ID` applies to all users' },
      doc: "The claim of the user's JWT that names the space. The gateway rejects a JWT without it.",
    },
  },

  jwt: {
    issuer: {
      name: 'JWT_ISSUER',
      reader: issuerUrl,
      default: required,
      doc: 'The issuer of the JWTs, exactly as in their `iss` claim.',
    },
    audiences: {
      name: 'JWT_AUDIENCE',
      reader: list('one or more audiences', (item) => item),
      default: required,
      doc: 'Expected values of the `aud` claim. One of them must match.',
    },
    jwksUrl: {
      name: 'JWT_JWKS_URL',
      reader: keySetUrl,
      default: { unset: "taken from the issuer's OpenID discovery document" },
      doc: "URL of the issuer's public keys (a JWK Set).",
    },
    algorithms: {
      name: 'JWT_ALGORITHMS',
      reader: algorithms,
      default: 'RS256,PS256,ES256,EdDSA',
      doc: 'Accepted signature algorithms. All of them are asymmetric.',
    },
    userClaim: {
      name: 'JWT_USER_CLAIM',
      reader: claimName,
      default: 'sub',
      doc:
        'The claim that identifies the user: a string of 1 to 256 characters. A JWT needs this ' +
        'claim and `exp`.',
    },
    requiredScope: {
      name: 'JWT_REQUIRED_SCOPE',
      reader: scope,
      default: { unset: 'none' },
      doc: 'A scope that each JWT must have in `scope` or `scp`.',
    },
    clockToleranceSeconds: {
      name: 'JWT_CLOCK_TOLERANCE_SECONDS',
      reader: integer(0, 60),
      default: '5',
      doc: 'Tolerated difference between the clocks of the issuer and the gateway, in seconds.',
    },
    cacheSeconds: {
      name: 'JWT_CACHE_SECONDS',
      reader: integer(0, 60),
      default: '60',
      doc:
        'The gateway does not verify a valid JWT again for this many seconds, and rejects it after ' +
        'its `exp` in any case. `0` verifies the JWT of every request.',
    },
  },

  upload: {
    prefix: {
      name: 'UPLOAD_PATH_PREFIX',
      reader: pathPrefix,
      default: required,
      doc:
        'The folder that receives the uploads. `users/{sub}` gives each user a separate folder. ' +
        '`/` gives all users the whole space. The gateway replaces `{claim}` with the encoded ' +
        'value of that claim: two users never share a folder, and no value leads out of it.',
    },
    maxBytes: {
      name: 'UPLOAD_MAX_BYTES',
      reader: integer(1, MAX_OBJECT_BYTES),
      default: '5368709120',
      doc: 'Maximum size of a file, in bytes.',
    },
    simpleMaxBytes: {
      name: 'UPLOAD_SIMPLE_MAX_BYTES',
      reader: integer(0, MAX_PUT_BYTES),
      default: '1048576',
      doc: 'Maximum size of a simple upload, in bytes. `0` allows only empty files.',
    },
    maxOpen: {
      name: 'UPLOAD_MAX_OPEN',
      // The list of open uploads has no pages.
      reader: integer(0, 1000),
      default: '200',
      doc:
        'Open uploads of a user: begun, and neither completed nor aborted nor ended. `0` switches the ' +
        'limit off.',
    },
    allowedExtensions: {
      name: 'UPLOAD_ALLOWED_EXTENSIONS',
      reader: extensions,
      default: { unset: 'all' },
      doc: 'Allowed extensions of file names, with or without the dot. Case does not matter.',
    },
    conflictStrategies: {
      name: 'UPLOAD_CONFLICT_STRATEGIES',
      reader: conflictStrategies,
      default: 'rename,ask',
      doc: 'The strategies that a client may choose for a name that already exists.',
    },
    metaKeys: {
      name: 'UPLOAD_META_KEYS',
      reader: metadataKeys,
      default: { unset: 'all' },
      doc: 'Allowed names of metadata, as they follow `x-smh-meta-` in the headers. Case does not matter.',
    },
    trafficLimitBytesPerSecond: {
      name: 'UPLOAD_TRAFFIC_LIMIT',
      reader: integer(102_400, 104_857_600),
      default: { unset: 'none' },
      doc: 'Maximum speed of each connection to COS, in bytes per second. A client may ask for less.',
    },
    instant: {
      name: 'UPLOAD_INSTANT',
      reader: flag,
      default: 'true',
      doc:
        "Allows instant uploads. `false` rejects them: anyone who knows a file's hash may obtain " +
        'the file.',
    },
    createParents: {
      name: 'UPLOAD_CREATE_PARENTS',
      reader: flag,
      default: 'true',
      doc: 'Whether begin creates the missing folders of a path.',
    },
    maxAgeSeconds: {
      name: 'UPLOAD_MAX_AGE_SECONDS',
      reader: integer(1, MAX_AGE_SECONDS),
      default: '604800',
      doc: 'A client must complete an upload within this many seconds after begin.',
    },
  },

  gateway: {
    confirmKeySecrets: {
      name: 'CONFIRM_KEY_SECRETS',
      reader: confirmKeySecrets,
      default: { unset: 'derived from `SMH_LIBRARY_SECRET`; required with `SMH_ACCESS_TOKEN`' },
      doc: 'Secrets that authenticate confirm keys. The first one signs, and all of them verify.',
      secret: true,
    },
    corsOrigins: {
      name: 'CORS_ORIGINS',
      reader: webOrigins,
      default: { unset: 'none', value: new Set<string>() },
      doc: 'Exact origins of the web pages that may call the gateway.',
    },
    rateLimitPerMinute: {
      name: 'RATE_LIMIT_PER_MINUTE',
      reader: integer(0, 1_000_000),
      default: '120',
      doc:
        'Uploads that a user may begin in a minute, instant uploads included. The limit of all ' +
        'other requests of a user together is ten times as high. Without `REDIS_URL` each ' +
        'instance counts separately. `0` switches both limits off. On Workers this variable limits ' +
        'the begins with the binding `LEDGER`. Otherwise only `0` has an effect: the rate-limit ' +
        'bindings in `wrangler.toml` set the limits.',
    },
    maxInFlight: {
      name: 'MAX_IN_FLIGHT',
      reader: integer(1, 1_000_000),
      default: '512',
      doc:
        'Requests with a valid JWT that an instance serves at the same time. The gateway answers ' +
        '503 to further requests. One user gets at most half of the limit.',
    },
    upstreamTimeoutSeconds: {
      name: 'UPSTREAM_TIMEOUT_SECONDS',
      reader: integer(1, 300),
      default: '10',
      doc: 'Timeout of one request to SMH, in seconds. The timeout of a confirm is 60 seconds.',
    },
    redisUrl: {
      name: 'REDIS_URL',
      reader: redisUrl,
      default: { unset: 'none: each instance has its own ledger' },
      doc:
        'The Redis in which all instances keep the begins, the open uploads and the Idempotency-Keys ' +
        'of each user. `rediss` uses TLS.',
      runtimes: ['node'],
      secret: true,
    },
    host: {
      name: 'HOST',
      reader: matching('an IP address or host name to listen on', /^[\w.:%-]+$/),
      default: '127.0.0.1',
      doc: 'The address to listen on. In a container this is usually `0.0.0.0`.',
      runtimes: ['node'],
    },
    port: {
      name: 'PORT',
      reader: integer(0, 65_535),
      default: '8787',
      doc: 'The port to listen on. `0` takes a free port.',
      runtimes: ['node'],
    },
    adminPort: {
      name: 'ADMIN_PORT',
      reader: integer(0, 65_535),
      default: { unset: 'no metrics' },
      doc: 'The port of the metrics, at `/metrics`. It listens on `HOST`.',
      runtimes: ['node'],
    },
    logLevel: {
      name: 'LOG_LEVEL',
      reader: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'silent'),
      default: 'info',
      doc: 'The least severe level that is logged. At `info`, each request writes one JSON line.',
    },
  },
} as const satisfies Record<string, Record<string, Variable>>

type Value<V> = V extends { reader: Reader<infer T>; default: infer D }
  ?
      | T
      | (D extends { value: infer U }
          ? U
          : D extends { unset: string } | { unless: string }
            ? undefined
            : never)
  : never

/** The values of all variables, by group and key. */
export type Values = {
  [G in keyof typeof variables]: {
    readonly [K in keyof (typeof variables)[G]]: Value<(typeof variables)[G][K]>
  }
}

/** All variables with their groups and keys, in the order of the table. */
export const variableList: readonly (Variable & { group: keyof Values; key: string })[] =
  Object.entries(variables).flatMap(([group, entries]) =>
    Object.entries(entries).map(([key, variable]) => ({
      ...variable,
      group: group as keyof Values,
      key,
    })),
  )

/** The names of all variables, in the order of the table. */
export const configVariables: readonly string[] = variableList.map(({ name }) => name)
