import COS from 'cos-nodejs-sdk-v5'
import { beforeEach, describe, expect, test } from 'vitest'
import { checkAccess } from '../../src/emulator/cos-access.ts'
import { parseAuthorization, signatureOf, signRequest } from '../../src/emulator/cos-signature.ts'
import type { State } from '../../src/emulator/state.ts'
import { cosState } from '../support/cos-state.ts'

const SECRET_ID = 'AKIDinvented'
const SECRET_KEY = 'inventedsecretkey'
const NOW = 1_741_519_353
const KEY_TIME = `${NOW};${NOW + 7200}`

interface Signed {
  method: 'put' | 'get' | 'post'
  path: string
  query: Record<string, string>
  headers: Record<string, string>
}

/** Signs with Tencent's SDK. Its types lack the option KeyTime. */
function signedBySdk({ method, path, query, headers }: Signed, keyTime = KEY_TIME): string {
  const options = {
    SecretId: SECRET_ID,
    SecretKey: SECRET_KEY,
    Method: method,
    Pathname: path,
    Query: query,
    Headers: headers,
    KeyTime: keyTime,
  }
  return COS.getAuthorization(options)
}

const REQUESTS: [name: string, request: Signed][] = [
  ['nothing but the path', { method: 'put', path: '/smh0/5f0c.bin', query: {}, headers: {} }],
  [
    'parameters and headers',
    {
      method: 'put',
      path: '/smh0/5f0c.bin',
      query: { uploadId: '17=4/1+9', partNumber: '12' },
      headers: { 'Content-Type': 'video/mp4', 'x-cos-traffic-limit': '819200', Host: 'a.b:1' },
    },
  ],
  [
    'signs, spaces and Chinese',
    {
      method: 'get',
      path: "/报告 (1)!'*.txt",
      query: { 'response-content-disposition': "attachment; filename*=UTF-8''a (1)!.txt", acl: '' },
      headers: { 'Content-Disposition': '报告' },
    },
  ],
]

const ours = (request: Signed) => ({
  ...request,
  query: Object.entries(request.query),
  headers: Object.entries(request.headers),
})

describe("signatures equal those of COS's SDK", () => {
  test.each(REQUESTS)('%s', (_, request) => {
    const authorization = signRequest(SECRET_ID, SECRET_KEY, KEY_TIME, ours(request))
    expect(authorization).toBe(signedBySdk(request))
  })

  test('a signature without sha1 or with a missing field is invalid', () => {
    const authorization = signedBySdk(REQUESTS[0]![1])
    expect(parseAuthorization(authorization)).toMatchObject({ secretId: SECRET_ID })
    expect(parseAuthorization(authorization.replace('=sha1', '=md5'))).toBeUndefined()
    expect(parseAuthorization(authorization.replace(/&q-key-time=[^&]*/, ''))).toBeUndefined()
    expect(parseAuthorization('Bearer token')).toBeUndefined()
  })

  test('a listed parameter that the request lacks invalidates the signature', () => {
    const request = REQUESTS[1]![1]
    const fields = parseAuthorization(signedBySdk(request))!
    expect(signatureOf(SECRET_KEY, fields, ours(request))).toBe(fields.signature)
    const stripped = ours({ ...request, query: { uploadId: '17=4/1+9' } })
    expect(signatureOf(SECRET_KEY, fields, stripped)).not.toBe(fields.signature)
  })
})

describe("signatures of COS's SDK", () => {
  let state: State

  beforeEach(() => {
    state = cosState(NOW * 1000)
    state.credentials.set(SECRET_ID, {
      secretId: SECRET_ID,
      secretKey: SECRET_KEY,
      securityToken: 'securitytoken',
      cosKey: '/smh0/5f0c.bin',
      notAfter: (NOW + 7200) * 1000,
    })
  })

  /** The error message for a request with this signature, or 'passed'. */
  function check(signed: Signed, authorization: string, change: Partial<Signed> = {}): string {
    const { method, path, query, headers } = { ...signed, ...change }
    const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
    const request = {
      method: method.toUpperCase(),
      query: new URLSearchParams(query),
      headers: {
        'x-cos-security-token': 'securitytoken',
        ...Object.fromEntries(lower),
        authorization,
      },
    }
    try {
      checkAccess(state, request, path)
      return 'passed'
    } catch (error) {
      const { code, message } = error as { code: string; message: string }
      return code === 'AccessDenied' ? message : code
    }
  }

  test.each(REQUESTS.slice(0, 2))('%s: accepted', (_, request) => {
    expect(check(request, signedBySdk(request))).toBe('passed')
  })

  test('a signature is valid for all parts, but for no other method, key or credential', () => {
    const request = REQUESTS[0]![1]
    const authorization = signedBySdk(request)
    for (const partNumber of ['1', '2']) {
      expect(check(request, authorization, { query: { uploadId: 'u', partNumber } })).toBe('passed')
    }
    const other = { ...request, path: '/smh0/other.bin' }
    expect(check(request, authorization, { method: 'get' })).toBe('SignatureDoesNotMatch')
    expect(check(other, authorization)).toBe('SignatureDoesNotMatch')
    expect(check(other, signedBySdk(other))).toBe('SignatureDoesNotMatch')
    expect(check(request, authorization.replace(SECRET_ID, 'AKIDother'))).toBe('InvalidAccessKeyId')
    const headers = { 'x-cos-security-token': 'another' }
    expect(check(request, authorization, { headers })).toBe('SignatureDoesNotMatch')
  })

  test('a signed header or parameter must not change', () => {
    const request = REQUESTS[1]![1]
    const authorization = signedBySdk(request)
    const query = { ...request.query, partNumber: '13' }
    const headers = { ...request.headers, 'Content-Type': 'text/plain' }
    expect(check(request, authorization, { query })).toBe('SignatureDoesNotMatch')
    expect(check(request, authorization, { headers })).toBe('SignatureDoesNotMatch')
  })

  test('the times of the signature and the expiry of the credentials both apply', () => {
    const request = REQUESTS[0]![1]
    expect(check(request, signedBySdk(request, `${NOW - 9};${NOW}`))).toBe('Request has expired')
    const ahead = signedBySdk(request, `${NOW + 1000};${NOW + 2000}`)
    expect(check(request, ahead)).toBe('RequestTimeTooSkewed')
    state.clockOffsetMs = 7_200_000
    const long = signedBySdk(request, `${NOW};${NOW + 99_999}`)
    expect(check(request, long)).toBe('Request has expired')
  })

  test('a signed URL of the SDK is accepted', () => {
    const query = { 'x-cos-security-token': 'securitytoken', 'response-content-type': 'a/b' }
    const request: Signed = { method: 'get', path: '/smh0/5f0c.bin', query, headers: {} }
    const url = new URLSearchParams(`${signedBySdk(request)}&${new URLSearchParams(query)}`)
    const passes = (params: URLSearchParams) =>
      checkAccess(state, { method: 'GET', query: params, headers: {} }, request.path)
    expect(() => passes(url)).not.toThrow()
    url.set('response-content-type', 'text/html')
    expect(() => passes(url)).toThrow('Signature')
  })
})
