import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { configVariables, variableList } from '../../../../src/gateway/config/variables.ts'
import { parseWith, variablesWithIssues } from '../../../support/config.ts'

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
])('variables: %s rejects %j', (variable, values) => {
  for (const value of values)
    expect([value, variablesWithIssues({ [variable]: value })]).toEqual([value, [variable]])
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
])('variables: %s accepts %s', (variable, value) => {
  expect(() => parseWith({ [variable]: value })).not.toThrow()
})

test('variables: each has a unique name', () => {
  expect(new Set(configVariables).size).toBe(configVariables.length)
})

test('variables: a variable is marked as secret if and only if its value is a Secret', () => {
  const isConcealed = (value: unknown) => inspect(value).includes('reveal')
  for (const { name, reader, secret } of variableList) {
    const reading = reader.read(name === 'REDIS_URL' ? 'redis://host' : 'a'.repeat(64))
    const value = 'value' in reading ? reading.value : undefined
    expect([name, isConcealed(value)]).toEqual([name, secret ?? false])
  }
})

test.each([
  'redis://localhost',
  'redis://localhost:6379',
  'rediss://user:p%40ss@redis.example.com:6380/0',
  'redis://:password@[::1]:6379/15',
])('variables: REDIS_URL accepts %s', (url) => {
  expect(parseWith({ REDIS_URL: url }).redisUrl?.reveal()).toBe(url)
})

test.each([
  'localhost:6379',
  'http://localhost:6379',
  'redis://',
  'redis:///0',
  'redis://host/db',
  'redis://host:99999',
  'redis://host?db=1',
  'redis://user:p%ss@host',
  'redis://user:pa#ss@host',
  'unix:///run/redis.sock',
])('variables: REDIS_URL rejects %s', (url) => {
  expect(variablesWithIssues({ REDIS_URL: url })).toEqual(['REDIS_URL'])
})
