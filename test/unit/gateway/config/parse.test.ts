import { readFileSync } from 'node:fs'
import { inspect, parseEnv } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  type Config,
  ConfigurationError,
  parseConfig,
  unknownVariables,
} from '../../../../src/gateway/config/parse.ts'
import { parseTrustworthyUrl } from '../../../../src/gateway/config/secure-url.ts'
import { configVariables } from '../../../../src/gateway/config/variables.ts'

const required = {
  SMH_LIBRARY_ID: 'smh0lib',
  SMH_LIBRARY_SECRET: 'library-secret-value',
  JWT_ISSUER: 'https://login.example.com/',
  JWT_AUDIENCE: 'uploads',
  UPLOAD_PATH_PREFIX: 'users/{sub}',
}

function parse(more: Record<string, unknown> = {}): Config {
  return parseConfig({ ...required, ...more })
}

function refusal(record: Record<string, unknown>): ConfigurationError {
  try {
    parseConfig(record)
  } catch (error) {
    if (error instanceof ConfigurationError) return error
    throw error
  }
  throw new Error('no fault was found')
}

/** Names of the variables that are refused when `more` is added to a good configuration. */
function refused(more: Record<string, unknown>): string[] {
  return refusal({ ...required, ...more }).faults.map((fault) => fault.variable)
}

describe('parseConfig', () => {
  test('takes the defaults for all that is not required', () => {
    const { smh, confirmKey, ...rest } = parse()
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
    expect(rest).toEqual({
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

  test('reads every variable', () => {
    const secrets = ['a'.repeat(32), 'é'.repeat(16)]
    const config = parse({
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

  test('a blank value is unset, and blanks around a value are dropped', () => {
    const blank = Object.fromEntries(configVariables.map((name) => [name, ' \t']))
    expect(JSON.stringify(parse())).toBe(JSON.stringify(parseConfig({ ...blank, ...required })))
    expect(parse({ SMH_LIBRARY_ID: ' smh0lib\n' }).smh.libraryId).toBe('smh0lib')
  })

  test('a number or boolean counts as its text, other values only where they are not ours', () => {
    const config = parse({ PORT: 80, UPLOAD_INSTANT: false, ASSETS: { fetch() {} }, OTHER: null })
    expect(config).toMatchObject({ port: 80, upload: { instant: false } })
    expect(refused({ JWT_JWKS_URL: { get() {} } })).toEqual(['JWT_JWKS_URL'])
  })

  test('names every missing and every faulty variable at once, each of them once', () => {
    const { faults, message } = refusal({ PORT: 'http', SMH_TOKEN_MODE: 'both', LOG_LEVEL: 'loud' })
    expect(faults.map((fault) => fault.variable).sort()).toEqual([
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
    expect(message.split('\n')).toHaveLength(1 + faults.length)
    expect(message).toContain('  PORT wants a whole number from 0 to 65535')
    expect(message).toContain('  JWT_AUDIENCE wants to be set: one or more audiences')
    expect(message).toContain('  LOG_LEVEL wants one of fatal, error, warn, info, debug, silent')
  })

  test.each<[string, string[]]>([
    ['SMH_LIBRARY_ID', ['lib.evil', 'lib/x', 'lib_x', 'a'.repeat(64), '-lib', 'lib-']],
    ['SMH_ENDPOINT', ['http://smh.example.com', 'https://u:p@smh.example.com', 'smh.example.com']],
    ['SMH_ENDPOINT', ['https://smh.example.com?', 'https://smh.example.com/#', 'https://h/api']],
    ['SMH_TOKEN_MODE', ['both', 'Shared']],
    ['SMH_TOKEN_PERIOD_SECONDS', ['1199', '86401', '3600s', '-1', '1e4', '0x4b0', '1200.0']],
    ['SMH_SPACE_ID', ['a,b', 'a/b', '../x', 'a'.repeat(129), 'ü']],
    ['SMH_SPACE_CLAIM', ['a b', '{sub}']],
    ['JWT_ISSUER', ['http://login.example.com', 'https://h?x', 'https://h#x', 'login', 'https:h']],
    ['JWT_AUDIENCE', ['a,', ',a', 'a,,b']],
    ['JWT_JWKS_URL', ['http://keys.example.com', 'ftp://127.0.0.1/', 'https://u@keys.example.com']],
    ['JWT_ALGORITHMS', ['HS256', 'none', 'RS256,HS512', 'rs256', 'RS256,']],
    ['JWT_USER_CLAIM', ['user id', 'a,b']],
    ['JWT_REQUIRED_SCOPE', ['a b', 'a"b']],
    ['JWT_CLOCK_TOLERANCE_SECONDS', ['61', '-5']],
    ['JWT_CACHE_SECONDS', ['61', '-1']],
    ['UPLOAD_MAX_BYTES', ['0', '53687091200001', '99999999999999999999', '5GB']],
    ['UPLOAD_ALLOWED_EXTENSIONS', ['tar.gz', 'a/b', 'jpg,,png', '.', 'a b', '*']],
    ['UPLOAD_CONFLICT_STRATEGIES', ['replace', 'ask;rename', ',']],
    ['UPLOAD_META_KEYS', ['a b', 'ü', 'a:b']],
    ['UPLOAD_TRAFFIC_LIMIT', ['102399', '104857601', '0']],
    ['UPLOAD_INSTANT', ['yes', '1', 'TRUE']],
    ['UPLOAD_CREATE_PARENTS', ['no']],
    ['UPLOAD_MAX_AGE_SECONDS', ['0', '3153600001']],
    ['CONFIRM_KEY_SECRETS', ['a'.repeat(31), `${'a'.repeat(32)},`, `${'a'.repeat(32)},short`]],
    ['CORS_ORIGINS', ['*', 'null', 'https://a.example/', 'https://A.example', 'a.example']],
    ['CORS_ORIGINS', ['https://a.example:443', 'https://*.example', 'ws://a.example', 'file://']],
    ['RATE_LIMIT_PER_MINUTE', ['-1', '1000001']],
    ['MAX_IN_FLIGHT', ['0', '1000001']],
    ['UPSTREAM_TIMEOUT_SECONDS', ['0', '301']],
    ['HOST', ['a b', 'http://x']],
    ['PORT', ['65536']],
    ['ADMIN_PORT', ['65536', '8787', '08787']],
    ['LOG_LEVEL', ['trace', 'INFO']],
  ])('refuses %s %j', (variable, values) => {
    for (const value of values)
      expect([value, refused({ [variable]: value })]).toEqual([value, [variable]])
  })

  test.each([
    ['SMH_LIBRARY_ID', 'Smh-0-Lib'],
    ['SMH_ENDPOINT', 'http://[::1]:9000'],
    ['SMH_TOKEN_PERIOD_SECONDS', '1200'],
    ['UPLOAD_MAX_BYTES', '53687091200000'],
    ['UPLOAD_TRAFFIC_LIMIT', '104857600'],
    ['JWT_CLOCK_TOLERANCE_SECONDS', '60'],
    ['JWT_CACHE_SECONDS', '60'],
    ['JWT_ALGORITHMS', 'RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA,Ed25519'],
    ['UPLOAD_MAX_AGE_SECONDS', '3153600000'],
    ['ADMIN_PORT', '8788'],
    ['PORT', '65535'],
  ])('takes %s %s', (variable, value) => {
    expect(() => parse({ [variable]: value })).not.toThrow()
  })

  test.each([
    ['UPLOAD_PATH_PREFIX', "'users/{sub}'"],
    ['JWT_AUDIENCE', '"uploads"'],
    ['SMH_LIBRARY_SECRET', '"canary"'],
  ])('refuses %s in quotes, and says so', (variable, value) => {
    const { faults } = refusal({ ...required, [variable]: value })
    expect(faults).toEqual([{ variable, wants: expect.stringContaining('without quotes') }])
    expect(JSON.stringify(faults)).not.toContain('canary')
  })

  test('the default endpoint is a host name of the library id', () => {
    const { libraryId, endpoint } = parse({ SMH_LIBRARY_ID: 'Smh0Lib' }).smh
    expect([libraryId, endpoint]).toEqual(['Smh0Lib', 'https://smh0lib.api.tencentsmh.cn'])
  })

  test('keeps the issuer as it is written', () => {
    const issuer = 'HTTPS://Login.Example.com:443/realm/'
    expect(parse({ JWT_ISSUER: issuer }).jwt.issuer).toBe(issuer)
  })
})

describe('rules between variables', () => {
  test('exactly one of the library secret and the access token', () => {
    const both = ['SMH_LIBRARY_SECRET', 'SMH_ACCESS_TOKEN']
    expect(refused({ SMH_ACCESS_TOKEN: 'token' })).toEqual(both)
    expect(refused({ SMH_LIBRARY_SECRET: undefined })).toEqual(both)
    expect(refusal({ ...required, SMH_LIBRARY_SECRET: null }).faults).toEqual([
      {
        variable: 'SMH_LIBRARY_SECRET',
        wants: 'to be set: exactly one of it and SMH_ACCESS_TOKEN',
      },
      {
        variable: 'SMH_ACCESS_TOKEN',
        wants: 'to be set: exactly one of it and SMH_LIBRARY_SECRET',
      },
    ])
    expect(refusal({ ...required, SMH_ACCESS_TOKEN: 'token' }).message).toContain(
      'SMH_ACCESS_TOKEN wants to be unset: exactly one of it and SMH_LIBRARY_SECRET',
    )
  })

  test('an access token can neither sign confirm keys nor mint', () => {
    const token = { SMH_LIBRARY_SECRET: undefined, SMH_ACCESS_TOKEN: 'token' }
    expect(refusal({ ...required, ...token, SMH_TOKEN_MODE: 'per-user' }).faults).toEqual([
      {
        variable: 'CONFIRM_KEY_SECRETS',
        wants: 'to be set: with SMH_ACCESS_TOKEN it cannot be derived',
      },
      {
        variable: 'SMH_TOKEN_MODE',
        wants: 'shared: only SMH_LIBRARY_SECRET can mint a token for each user',
      },
    ])
    const given = parse({ ...token, CONFIRM_KEY_SECRETS: 'k'.repeat(32) })
    expect(given.smh.credential.kind).toBe('access-token')
    expect(parse({ SMH_TOKEN_MODE: 'per-user' }).smh.tokenMode).toBe('per-user')
  })

  test('secrets for confirm keys go before the one derived', () => {
    const { confirmKey } = parse({ CONFIRM_KEY_SECRETS: 'k'.repeat(32) })
    expect(confirmKey.kind).toBe('given')
  })

  test('a claim for the space goes before a fixed space', () => {
    const { space } = parse({ SMH_SPACE_ID: 'space1', SMH_SPACE_CLAIM: 'space' }).smh
    expect(space).toEqual({ kind: 'claim', claim: 'space' })
  })

  test('the admin port is another one', () => {
    expect(refusal({ ...required, PORT: '9000', ADMIN_PORT: '9000' }).faults).toEqual([
      { variable: 'ADMIN_PORT', wants: 'another port than PORT' },
    ])
    expect(parse({ PORT: '9000', ADMIN_PORT: '8787' }).adminPort).toBe(8787)
  })
})

describe('UPLOAD_PATH_PREFIX', () => {
  test.each([
    ['/', []],
    ['/a/b/', [{ text: 'a' }, { text: 'b' }]],
    ['a b/cafe\u0301', [{ text: 'a b' }, { text: 'caf\u00e9' }]],
    [
      't-{org:id}.x/{a.b_c-d}',
      [
        { before: 't-', claim: 'org:id', after: '.x' },
        { before: '', claim: 'a.b_c-d', after: '' },
      ],
    ],
    ['.{sub}', [{ before: '.', claim: 'sub', after: '' }]],
  ])('%s', (text, segments) => {
    expect(parse({ UPLOAD_PATH_PREFIX: text }).upload.prefix).toEqual(segments)
  })

  test.each([
    ['//', 'an empty segment'],
    ['a//b', 'an empty segment'],
    ['a/../b', 'a dot segment'],
    ['./a', 'a dot segment'],
    ['%2e/a', 'a dot segment'],
    ['a%2Fb', 'an encoded slash'],
    ['{sub}%2f', 'an encoded slash'],
    ['%2{sub}', 'a percent sign in front of a {claim}'],
    ['users/$'.concat('{sub}'), 'a $ in front of a {claim}'],
    ['{sub}.', 'ends with a dot'],
    ['a\\b', 'one of the characters'],
    ['a:{sub}', 'one of the characters'],
    ['a /b', 'starts or ends with a space'],
    ['a\u0007', 'a control character'],
    ['{a}{b}', 'two claims in one level'],
    ['{a}-{b}/c', 'two claims in one level'],
    ['{sub', 'a brace'],
    ['sub}', 'a brace'],
    ['{{sub}}', 'a brace'],
    ['}{', 'a brace'],
    ['{}', 'a {claim} whose name cannot be one'],
    ['{a b}', 'a {claim} whose name cannot be one'],
    ['{a/b}', 'a brace'],
    [Array(32).fill('a').join('/'), 'at most 31 levels'],
  ])('refuses %j: has %s', (text, why) => {
    const { faults } = refusal({ ...required, UPLOAD_PATH_PREFIX: text })
    expect(faults).toHaveLength(1)
    expect(faults[0]?.variable).toBe('UPLOAD_PATH_PREFIX')
    expect(faults[0]?.wants).toContain(why)
  })
})

describe('secrets', () => {
  const sentinel = 'sEnTiNeL-0123456789-0123456789-0123456789'

  test('have no form that can be seen', () => {
    const config = parse({ SMH_LIBRARY_SECRET: sentinel, CONFIRM_KEY_SECRETS: sentinel })
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

  test('no value of any variable is in an error', () => {
    // A brace and a control character make it wrong for every variable that can be wrong at all.
    const record = Object.fromEntries(configVariables.map((name) => [name, `{${sentinel}\u0007 ,`]))
    const error = refusal(record)
    // The secret and the token take any text; they are refused because they exclude each other.
    expect(new Set(error.faults.map((fault) => fault.variable))).toEqual(new Set(configVariables))
    for (const { wants } of error.faults) expect(wants).toMatch(/^[\w-].{12}/)
    for (const text of [inspect(error, { depth: null }), JSON.stringify(error), error.stack]) {
      expect(text).not.toContain('sEnTiNeL')
    }
  })
})

test('unknownVariables names what looks like ours and is not', () => {
  expect(
    unknownVariables({
      ...required,
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

test.each([
  ['https://a.example/x?y', true],
  ['HTTPS://a.example', true],
  ['http://localhost:1', true],
  ['http://127.255.0.1', true],
  ['http://127.1', true],
  ['http://[::1]/', true],
  ['http://a.example', false],
  ['http://localhost.example', false],
  ['http://127.0.0.1.example', false],
  ['http://x127.0.0.1', false],
  ['http://xlocalhost', false],
  ['see https://a.example', false],
  ['http://[::2]', false],
  ['https://u@a.example', false],
  ['https://:p@a.example', false],
  ['ftp://localhost', false],
  ['https:a.example', false],
  ['https://a.ex\tample', false],
  ['https://', false],
  ['xhttps://a.example', false],
  ['', false],
])('parseTrustworthyUrl(%j) finds a URL: %j', (text, expected) => {
  expect(parseTrustworthyUrl(text) instanceof URL).toBe(expected)
})

describe('.env.example', () => {
  const lines = readFileSync(new URL('../../../../.env.example', import.meta.url), 'utf8').split(
    '\n',
  )
  const assignment = /^(?:# )?([A-Z][A-Z_]+)=/
  const named = lines.flatMap((line) => assignment.exec(line)?.[1] ?? [])

  test('has every variable once, in the same order', () => {
    expect(named).toEqual(configVariables)
  })

  test('explains each of them in the lines above it', () => {
    for (const [index, line] of lines.entries()) {
      if (assignment.test(line))
        expect([line, lines[index - 1]]).toEqual([line, expect.stringMatching(/^# ./)])
    }
    const explained = lines.filter((line, index) => assignment.test(lines[index + 1] ?? '') && line)
    expect(explained.some((line) => assignment.test(line))).toBe(false)
  })

  test('is the configuration of all defaults once the required ones are filled in', () => {
    const active = parseEnv(lines.join('\n'))
    expect(Object.keys(active).sort()).toEqual(Object.keys(required).sort())
    const all = parseEnv(
      lines.map((line) => (assignment.test(line) ? line.replace(/^# /, '') : line)).join('\n'),
    )
    expect(Object.keys(all).sort()).toEqual([...configVariables].sort())
    expect(inspect(parseConfig({ ...all, ...required }), { depth: null })).toBe(
      inspect(parse(), { depth: null }),
    )
  })
})
