import { CosError } from './errors.ts'

/**
 * COS errors by name (docs/smh-protocol.md#11.3,
 * https://cloud.tencent.com/document/product/436/7730).
 */
const REFUSALS = {
  AccessDenied: [403, 'Access Denied.'],
  RequestExpired: [403, 'Request has expired'],
  RequestTimeTooSkewed: [
    403,
    'The difference between the request time and the server is too large.',
  ],
  SignatureDoesNotMatch: [
    403,
    'The Signature you specified is invalid. Please check your secret key and signing method.',
  ],
  InvalidAccessKeyId: [403, 'The Access Key Id you provided does not exist in our records.'],
  AccessForbidden: [403, 'CORSResponse: This CORS request is not allowed.'],
  NoSuchUpload: [404, 'The specified multipart upload does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  InvalidArgument: [400, 'Invalid argument.'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  InvalidDigest: [400, 'The Content-MD5 you specified is not valid.'],
  BadDigest: [400, 'The Content-MD5 you specified did not match what we received.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  IncompleteBody: [400, 'The body is shorter than the declared length.'],
  MalformedPOSTRequest: [400, 'The body of your POST request is not well-formed.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  InvalidRange: [416, 'The requested range is not satisfiable.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
} satisfies Record<string, [status: number, message: string]>

/**
 * A COS error. `RequestExpired` is `AccessDenied` with another message (docs/smh-protocol.md#11.4).
 */
export function cosError(
  name: keyof typeof REFUSALS,
  headers: Record<string, string> = {},
): CosError {
  const [status, message] = REFUSALS[name]
  return new CosError(status, name === 'RequestExpired' ? 'AccessDenied' : name, message, headers)
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

/** Escapes text for XML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character)
}

/** The error document of docs/smh-protocol.md#11.3. */
export function errorDocument(
  error: { code: string; message: string },
  resource: string,
  requestId: string,
): string {
  const element = (name: string, text: string) => `\t<${name}>${escapeXml(text)}</${name}>\n`
  return [
    "<?xml version='1.0' encoding='utf-8' ?>\n<Error>\n",
    element('Code', error.code),
    element('Message', error.message),
    element('Resource', resource),
    element('RequestId', requestId),
    element('TraceId', Buffer.from(`trace ${requestId}`).toString('base64')),
    '</Error>',
  ].join('')
}
