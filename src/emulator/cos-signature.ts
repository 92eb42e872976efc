import { createHash, createHmac } from 'node:crypto'

/**
 * The parts of a request that a COS signature may cover
 * (https://cloud.tencent.com/document/product/436/7778).
 */
export interface SignableRequest {
  method: string
  /** Decoded, with its leading slash. */
  path: string
  query: Iterable<readonly [string, string]>
  headers: Iterable<readonly [string, string]>
}

/** The fields of a signature in an `Authorization` header or in the query of a signed URL. */
export interface SignatureFields {
  secretId: string
  signTime: string
  keyTime: string
  headerList: string[]
  urlParamList: string[]
  signature: string
}

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')
const hmac = (key: string, text: string) => createHmac('sha1', key).update(text).digest('hex')

/** COS also encodes `!'()*`, unlike encodeURIComponent. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  })
}

/** Encoded lower-case names with their encoded values, sorted. */
function encodedPairs(pairs: Iterable<readonly [string, string]>): [string, string][] {
  return [...pairs]
    .map(([name, value]): [string, string] => [encode(name).toLowerCase(), encode(value)])
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}

const joined = (pairs: [string, string][]) => pairs.map((pair) => pair.join('=')).join('&')

/**
 * The signature of `request` over the listed headers and parameters. It leaves out a listed name that
 * the request lacks, so that removing a signed header changes the signature.
 */
export function signatureOf(
  secretKey: string,
  fields: Pick<SignatureFields, 'signTime' | 'keyTime' | 'headerList' | 'urlParamList'>,
  request: SignableRequest,
): string {
  const listed = (pairs: Iterable<readonly [string, string]>, names: string[]) =>
    joined(encodedPairs(pairs).filter(([name]) => names.includes(name)))
  const httpString = [
    request.method.toLowerCase(),
    request.path,
    listed(request.query, fields.urlParamList),
    listed(request.headers, fields.headerList),
    '',
  ].join('\n')
  const stringToSign = ['sha1', fields.signTime, sha1(httpString), ''].join('\n')
  return hmac(hmac(secretKey, fields.keyTime), stringToSign)
}

/** An `Authorization` value that covers every header and parameter of `request`. */
export function signRequest(
  secretId: string,
  secretKey: string,
  keyTime: string,
  request: SignableRequest,
): string {
  const names = (pairs: Iterable<readonly [string, string]>) =>
    encodedPairs(pairs).map(([name]) => name)
  const headerList = names(request.headers)
  const urlParamList = names(request.query)
  const fields = { signTime: keyTime, keyTime, headerList, urlParamList }
  return [
    'q-sign-algorithm=sha1',
    `q-ak=${secretId}`,
    `q-sign-time=${keyTime}`,
    `q-key-time=${keyTime}`,
    `q-header-list=${headerList.join(';')}`,
    `q-url-param-list=${urlParamList.join(';')}`,
    `q-signature=${signatureOf(secretKey, fields, request)}`,
  ].join('&')
}

/**
 * POST Object signs the policy instead of the request
 * (https://cloud.tencent.com/document/product/436/14690).
 */
export function signPolicy(secretKey: string, keyTime: string, policy: string): string {
  return hmac(hmac(secretKey, keyTime), sha1(policy))
}

/** Parses a signature. Undefined when a field is missing or the algorithm is not sha1. */
export function parseAuthorization(text: string): SignatureFields | undefined {
  // URLSearchParams would turn a `+` into a space.
  const fields = new Map(
    text.split('&').map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return at < 0 ? [pair, ''] : [pair.slice(0, at), decodeField(pair.slice(at + 1))]
    }),
  )
  const secretId = fields.get('q-ak')
  const signTime = fields.get('q-sign-time')
  const keyTime = fields.get('q-key-time')
  const signature = fields.get('q-signature')
  const headers = fields.get('q-header-list')
  const params = fields.get('q-url-param-list')
  if (fields.get('q-sign-algorithm') !== 'sha1') return undefined
  if (!secretId || !signTime || !keyTime || !signature) return undefined
  if (headers === undefined || params === undefined) return undefined
  const list = (names: string) => (names === '' ? [] : names.split(';'))
  return {
    secretId,
    signTime,
    keyTime,
    signature,
    headerList: list(headers),
    urlParamList: list(params),
  }
}

function decodeField(value: string): string {
  // Clients that build signed URLs encode only the separator of times and lists. The names in a list
  // stay as they were signed.
  return value.replace(/%3b/gi, ';')
}
