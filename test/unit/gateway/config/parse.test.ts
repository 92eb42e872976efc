import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parseConfig, unknownVariables } from '../../../../src/gateway/config/parse.ts'
import { configVariables } from '../../../../src/gateway/config/variables.ts'
import {
  configurationErrorOf,
  parseWith,
  requiredVariables,
  variablesWithIssues,
} from '../../../support/config.ts'

describe('parseConfig', () => {
  test('every optional variable has a default', () => {
    const { smh, confirmKey, ...rest } = parseWith()
    expect(smh).toMatchObject({
      libraryId: 'smh0lib',
      endpoint: 'https://smh0lib.api.tencentsmh.cn',
      tokenMode: 'shared',
      tokenPeriodSeconds: 3600,
      space: { kind: 'fixed', id: '-' },
    })
    expect(smh.credential.kind === 'library-secret' && smh.credential.secret.reveal()).toBe(
      'library-secret-value',
    )
    expect(confirmKey.kind === 'derived' && confirmKey.from.reveal()).toBe('library-secret-value')
    expect(rest).toMatchObject({
      jwt: {
        issuer: 'https://login.example.com/',
        audiences: ['uploads'],
        jwksUrl: undefined,
        algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
        userClaim: 'sub',
        requiredScope: undefined,
        clockToleranceSeconds: 5,
        cacheSeconds: 60,
      },
      upload: {
        prefix: [{ text: 'users' }, { before: '', claim: 'sub', after: '' }],
        maxBytes: 5_368_709_120,
        allowedExtensions: undefined,
        conflictStrategies: new Set(['rename', 'ask']),
        metaKeys: undefined,
        trafficLimitBytesPerSecond: undefined,
        instant: true,
        createParents: true,
        maxAgeSeconds: 604_800,
      },
      corsOrigins: new Set(),
      rateLimitPerMinute: 120,
      maxInFlight: 512,
      upstreamTimeoutSeconds: 10,
      host: '127.0.0.1',
      port: 8787,
      adminPort: undefined,
      logLevel: 'info',
    })
  })

  test('every variable can be set', () => {
    const secrets = ['a'.repeat(32), 'é'.repeat(16)]
    const config = parseWith({
      SMH_LIBRARY_SECRET: '',
      SMH_ACCESS_TOKEN: 'token-value',
      SMH_ENDPOINT: 'http://127.0.0.1:9000/',
      SMH_TOKEN_PERIOD_SECONDS: '86400',
      SMH_SPACE_ID: 'space_1-A',
      SMH_SPACE_CLAIM: 'https://example.com/space',
      JWT_AUDIENCE: 'uploads, https://api.example.com/',
      JWT_JWKS_URL: 'https://login.example.com/keys?tenant=1',
      JWT_ALGORITHMS: 'ES384, Ed25519',
      JWT_USER_CLAIM: 'uid',
      JWT_REQUIRED_SCOPE: 'files:write',
      JWT_CLOCK_TOLERANCE_SECONDS: '0',
      JWT_CACHE_SECONDS: '0',
      UPLOAD_MAX_BYTES: '1',
      UPLOAD_ALLOWED_EXTENSIONS: 'JPG, .mp4,jpg',
      UPLOAD_CONFLICT_STRATEGIES: 'overwrite',
      UPLOAD_META_KEYS: 'Camera,shot-at',
      UPLOAD_TRAFFIC_LIMIT: '102400',
      UPLOAD_INSTANT: 'false',
      UPLOAD_CREATE_PARENTS: 'false',
      UPLOAD_MAX_AGE_SECONDS: '1',
      CONFIRM_KEY_SECRETS: secrets.join(', '),
      CORS_ORIGINS: 'https://app.example.com,http://localhost:5173',
      RATE_LIMIT_PER_MINUTE: '0',
      MAX_IN_FLIGHT: '1',
      UPSTREAM_TIMEOUT_SECONDS: '30',
      HOST: '::1',
      PORT: '0',
      ADMIN_PORT: '0',
      LOG_LEVEL: 'silent',
    })
    expect(config.smh).toMatchObject({
      endpoint: 'http://127.0.0.1:9000',
      tokenPeriodSeconds: 86_400,
      space: { kind: 'claim', claim: 'https://example.com/space' },
    })
    expect(
      config.smh.credential.kind === 'access-token' && config.smh.credential.token.reveal(),
    ).toBe('token-value')
    expect(config.jwt).toEqual({
      issuer: 'https://login.example.com/',
      audiences: ['uploads', 'https://api.example.com/'],
      jwksUrl: 'https://login.example.com/keys?tenant=1',
      algorithms: ['ES384', 'Ed25519'],
      userClaim: 'uid',
      requiredScope: 'files:write',
      clockToleranceSeconds: 0,
      cacheSeconds: 0,
    })
    expect(config.upload).toMatchObject({
      maxBytes: 1,
      allowedExtensions: new Set(['jpg', 'mp4']),
      conflictStrategies: new Set(['overwrite']),
      metaKeys: new Set(['camera', 'shot-at']),
      trafficLimitBytesPerSecond: 102_400,
      instant: false,
      createParents: false,
      maxAgeSeconds: 1,
    })
    expect(
      config.confirmKey.kind === 'given' && config.confirmKey.secrets.map((each) => each.reveal()),
    ).toEqual(secrets)
    expect(config).toMatchObject({
      corsOrigins: new Set(['https://app.example.com', 'http://localhost:5173']),
      rateLimitPerMinute: 0,
      maxInFlight: 1,
      upstreamTimeoutSeconds: 30,
      host: '::1',
      port: 0,
      adminPort: 0,
      logLevel: 'silent',
    })
  })

  test('a blank value counts as unset, and spaces around a value are dropped', () => {
    const blank = Object.fromEntries(configVariables.map((name) => [name, ' \t']))
    expect(JSON.stringify(parseWith())).toBe(
      JSON.stringify(parseConfig({ ...blank, ...requiredVariables })),
    )
    expect(parseWith({ SMH_LIBRARY_ID: ' smh0lib\n' }).smh.libraryId).toBe('smh0lib')
  })

  test('a number or boolean counts as its text, and any other value is rejected', () => {
    const config = parseWith({
      PORT: 80,
      UPLOAD_INSTANT: false,
      ASSETS: { fetch() {} },
      OTHER: null,
    })
    expect(config).toMatchObject({ port: 80, upload: { instant: false } })
    expect(variablesWithIssues({ JWT_JWKS_URL: { get() {} } })).toEqual(['JWT_JWKS_URL'])
  })

  test('variables of Node have no effect on Workers, not even as issues', () => {
    const bindings = { ...requiredVariables, HOST: '{', PORT: 'http', ADMIN_PORT: '8787' }
    expect(parseConfig(bindings, 'worker')).toMatchObject({ port: 8787, adminPort: undefined })
  })

  test('an error lists every missing and every invalid variable once', () => {
    const { issues, message } = configurationErrorOf({
      PORT: 'http',
      SMH_TOKEN_MODE: 'both',
      LOG_LEVEL: 'loud',
    })
    expect(issues.map((issue) => issue.variable).sort()).toEqual([
      'JWT_AUDIENCE',
      'JWT_ISSUER',
      'LOG_LEVEL',
      'PORT',
      'SMH_ACCESS_TOKEN',
      'SMH_LIBRARY_ID',
      'SMH_LIBRARY_SECRET',
      'SMH_TOKEN_MODE',
      'UPLOAD_PATH_PREFIX',
    ])
    expect(message.split('\n')).toHaveLength(1 + issues.length)
    expect(message).toContain('  PORT must be a whole number from 0 to 65535')
    expect(message).toContain('  JWT_AUDIENCE is required: one or more audiences')
    expect(message).toContain('  LOG_LEVEL must be one of fatal, error, warn, info, debug, silent')
  })

  test.each([
    ['UPLOAD_PATH_PREFIX', "'users/{sub}'"],
    ['JWT_AUDIENCE', '"uploads"'],
    ['SMH_LIBRARY_SECRET', '"canary"'],
  ])('%s in quotes is rejected, and the message says so', (variable, value) => {
    const { issues } = configurationErrorOf({ ...requiredVariables, [variable]: value })
    expect(issues).toEqual([{ variable, message: expect.stringContaining('without quotes') }])
    expect(JSON.stringify(issues)).not.toContain('canary')
  })

  test('the default endpoint has the library id as its host name', () => {
    const { libraryId, endpoint } = parseWith({ SMH_LIBRARY_ID: 'Smh0Lib' }).smh
    expect([libraryId, endpoint]).toEqual(['Smh0Lib', 'https://smh0lib.api.tencentsmh.cn'])
  })

  test('the issuer stays as it is written', () => {
    const issuer = 'HTTPS://Login.Example.com:443/realm/'
    expect(parseWith({ JWT_ISSUER: issuer }).jwt.issuer).toBe(issuer)
  })
})

describe('rules between variables', () => {
  test('exactly one of the library secret and the access token is set', () => {
    const both = ['SMH_LIBRARY_SECRET', 'SMH_ACCESS_TOKEN']
    expect(variablesWithIssues({ SMH_ACCESS_TOKEN: 'token' })).toEqual(both)
    expect(variablesWithIssues({ SMH_LIBRARY_SECRET: undefined })).toEqual(both)
    expect(configurationErrorOf({ ...requiredVariables, SMH_LIBRARY_SECRET: null }).issues).toEqual(
      [
        {
          variable: 'SMH_LIBRARY_SECRET',
          message: 'is required unless SMH_ACCESS_TOKEN is set',
        },
        {
          variable: 'SMH_ACCESS_TOKEN',
          message: 'is required unless SMH_LIBRARY_SECRET is set',
        },
      ],
    )
    expect(
      configurationErrorOf({ ...requiredVariables, SMH_ACCESS_TOKEN: 'token' }).message,
    ).toContain('SMH_ACCESS_TOKEN must not be set together with SMH_LIBRARY_SECRET')
  })

  test('an access token can neither sign confirm keys nor mint tokens', () => {
    const token = { SMH_LIBRARY_SECRET: undefined, SMH_ACCESS_TOKEN: 'token' }
    expect(
      configurationErrorOf({ ...requiredVariables, ...token, SMH_TOKEN_MODE: 'per-user' }).issues,
    ).toEqual([
      {
        variable: 'CONFIRM_KEY_SECRETS',
        message: 'is required with SMH_ACCESS_TOKEN: it cannot be derived',
      },
      {
        variable: 'SMH_TOKEN_MODE',
        message: 'must be shared: only SMH_LIBRARY_SECRET can mint a token for each user',
      },
    ])
    const given = parseWith({ ...token, CONFIRM_KEY_SECRETS: 'k'.repeat(32) })
    expect(given.smh.credential.kind).toBe('access-token')
    expect(parseWith({ SMH_TOKEN_MODE: 'per-user' }).smh.tokenMode).toBe('per-user')
  })

  test('given confirm key secrets replace the derived one', () => {
    const { confirmKey } = parseWith({ CONFIRM_KEY_SECRETS: 'k'.repeat(32) })
    expect(confirmKey.kind).toBe('given')
  })

  test('a space claim replaces the fixed space', () => {
    const { space } = parseWith({ SMH_SPACE_ID: 'space1', SMH_SPACE_CLAIM: 'space' }).smh
    expect(space).toEqual({ kind: 'claim', claim: 'space' })
  })

  test('the admin port differs from the port', () => {
    expect(
      configurationErrorOf({ ...requiredVariables, PORT: '9000', ADMIN_PORT: '9000' }).issues,
    ).toEqual([{ variable: 'ADMIN_PORT', message: 'must differ from PORT' }])
    expect(parseWith({ PORT: '9000', ADMIN_PORT: '8787' }).adminPort).toBe(8787)
  })
})

describe('secrets', () => {
  const sentinel = 'sEnTiNeL-0123456789-0123456789-0123456789'

  test('a secret has no visible form', () => {
    const config = parseWith({ SMH_LIBRARY_SECRET: sentinel, CONFIRM_KEY_SECRETS: sentinel })
    const { credential } = config.smh
    const secret = credential.kind === 'library-secret' ? credential.secret : undefined
    const seen = [
      JSON.stringify(config),
      inspect(config, { depth: null, showHidden: true }),
      String(secret),
      `${secret?.reveal}`,
      String(Object.values(secret ?? {})),
    ]
    for (const text of seen) expect(text).not.toContain(sentinel)
    expect(secret?.reveal()).toBe(sentinel)
  })

  test('an error holds no value of any variable', () => {
    // A brace and a control character are invalid in every variable that has a format.
    const record = Object.fromEntries(configVariables.map((name) => [name, `{${sentinel}\u0007 ,`]))
    const error = configurationErrorOf(record)
    // The secret and the token may have any text. They are rejected because they exclude each other.
    expect(new Set(error.issues.map((issue) => issue.variable))).toEqual(new Set(configVariables))
    for (const { message } of error.issues) expect(message).toMatch(/^(?:must|is) .{12}/)
    for (const text of [inspect(error, { depth: null }), JSON.stringify(error), error.stack]) {
      expect(text).not.toContain('sEnTiNeL')
    }
  })
})

test('unknownVariables: lists the unknown names that resemble ours', () => {
  expect(
    unknownVariables({
      ...requiredVariables,
      UPLOAD_MAX_BYTE: '1',
      SMH_SPACE: '',
      CONFIRM_KEY_SECRET: 'x',
      CORS_ORIGIN: 'x',
      JWT_AUD: 'x',
      RATE_LIMIT: 'x',
      RATE_LIMIT_PER_SECOND: '1',
      UPSTREAM_TIMEOUT: '1',
      UPLOAD_BUCKET: { get() {} },
      MY_SMH_THING: 'x',
      PATH: '/bin',
      ADMIN_PORTS: '1',
      CONFIRM_KEYS_SECRETS: 'x',
      LOG_LEVELS: 'x',
      MAX_INFLIGHT: '1',
      upload_max_bytes: '1',
    }),
  ).toEqual([
    'ADMIN_PORTS',
    'CONFIRM_KEYS_SECRETS',
    'CONFIRM_KEY_SECRET',
    'CORS_ORIGIN',
    'JWT_AUD',
    'LOG_LEVELS',
    'MAX_INFLIGHT',
    'RATE_LIMIT',
    'RATE_LIMIT_PER_SECOND',
    'SMH_SPACE',
    'UPLOAD_MAX_BYTE',
    'UPSTREAM_TIMEOUT',
    'upload_max_bytes',
  ])
})
