/** A value that must not be seen. It has no form that JSON, a template string or a log could show. */
export interface Secret {
  reveal(): string
}

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
}

export type ConflictStrategy = 'ask' | 'rename' | 'overwrite'

/** One level of `UPLOAD_PATH_PREFIX`: fixed text, or text around one claim's value. */
export type PrefixSegment = { text: string } | { before: string; claim: string; after: string }

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
