import { timingSafeEqual } from 'node:crypto'
import { cosError } from './cos-errors.ts'
import {
  parseAuthorization,
  type SignableRequest,
  signatureOf,
  signPolicy,
} from './cos-signature.ts'
import type { Incoming } from './http-server.ts'
import type { Credential, State } from './state.ts'

/**
 * COS rejects a signature that starts later than this
 * (https://cloud.tencent.com/document/product/436/7730).
 */
const MAX_SKEW_SECONDS = 900

const SIGNATURE_FIELDS = [
  'q-sign-algorithm',
  'q-ak',
  'q-sign-time',
  'q-key-time',
  'q-header-list',
  'q-url-param-list',
  'q-signature',
]

/**
 * Checks signature, times, security token and key of a request. The signature is in the `Authorization`
 * header or, for signed URLs, in the query (https://cloud.tencent.com/document/product/436/7778).
 */
export function checkAccess(
  state: State,
  request: Pick<Incoming, 'method' | 'query' | 'headers'>,
  key: string,
): void {
  const { query, headers } = request
  const inQuery = query.has('q-signature')
  const text = inQuery
    ? SIGNATURE_FIELDS.map((name) => `${name}=${query.get(name) ?? ''}`).join('&')
    : headers.authorization
  if (text === undefined) throw cosError('AccessDenied')
  const fields = parseAuthorization(text)
  if (!fields) throw cosError('SignatureDoesNotMatch')
  const credential = credentialOf(state, fields.secretId)
  const signable: SignableRequest = {
    method: request.method,
    path: key,
    query: [...query].filter(([name]) => !SIGNATURE_FIELDS.includes(name)),
    headers: Object.entries(headers),
  }
  const expected = signatureOf(credential.secretKey, fields, signable)
  if (!same(expected, fields.signature)) throw cosError('SignatureDoesNotMatch')
  const token = headers['x-cos-security-token'] ?? query.get('x-cos-security-token') ?? ''
  checkCredential(state, credential, token, key)
  for (const times of [fields.signTime, fields.keyTime]) checkTimes(state, times)
}

/**
 * Checks a form. Its signature covers its policy
 * (https://cloud.tencent.com/document/product/436/14690).
 */
export function checkFormAccess(state: State, form: Map<string, string>): string {
  const text = (name: string) => form.get(name) ?? ''
  const policy = Buffer.from(text('policy'), 'base64').toString('utf8')
  const credential = credentialOf(state, text('q-ak'))
  const expected = signPolicy(credential.secretKey, text('q-key-time'), policy)
  if (!same(expected, text('q-signature'))) throw cosError('SignatureDoesNotMatch')
  const key = `/${text('key')}`
  checkCredential(state, credential, text('x-cos-security-token'), key)
  checkTimes(state, text('q-key-time'))
  return key
}

function credentialOf(state: State, secretId: string): Credential {
  const credential = state.credentials.get(secretId)
  if (!credential) throw cosError('InvalidAccessKeyId')
  return credential
}

function checkCredential(state: State, credential: Credential, token: string, key: string) {
  // docs/smh-protocol.md#14.5: a token or key of another task counts as a wrong signature.
  if (!same(token, credential.securityToken)) throw cosError('SignatureDoesNotMatch')
  if (key !== credential.cosKey) throw cosError('SignatureDoesNotMatch')
  if (credential.notAfter <= state.now()) throw cosError('RequestExpired')
}

function checkTimes(state: State, times: string) {
  const [, start, end] = /^(\d+);(\d+)$/.exec(times) ?? []
  if (start === undefined || end === undefined) throw cosError('SignatureDoesNotMatch')
  const seconds = state.now() / 1000
  if (Number(start) > seconds + MAX_SKEW_SECONDS) throw cosError('RequestTimeTooSkewed')
  if (Number(end) <= seconds) throw cosError('RequestExpired')
}

function same(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)]
  return a.byteLength === b.byteLength && timingSafeEqual(a, b)
}
