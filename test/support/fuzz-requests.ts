import fc from 'fast-check'
import { hostileJson, hostileText } from './hostile-values.ts'
import { type Operation, resolve, type Schema, uploadOperations } from './published-document.ts'

/** A request as it is sent. */
export interface FuzzRequest {
  method: string
  /** Visible ASCII, which is all that an HTTP client can write. */
  target: string
  /** The sender of the token. */
  as: 'owner' | 'other' | 'anonymous' | 'forged'
  headers: [name: string, value: string][]
  body: Uint8Array | undefined
  chunked: boolean
}

/** The target of the requests. */
export interface FuzzWorld {
  /** Confirm keys of the owner: of one open upload and one completed upload. */
  confirmKeys: readonly string[]
}

/** Valid, nearly valid and hostile requests for every operation of the published document. */
export function fuzzRequests(world: FuzzWorld): fc.Arbitrary<FuzzRequest> {
  const begin = uploadOperations.filter(({ bodyRequired }) => bodyRequired)
  // Begin has the most fields, so it gets the most requests.
  return fc.constantFrom(...uploadOperations, ...begin, ...begin, ...begin).chain((operation) =>
    fc.record({
      method: mostly(fc.constant(operation.method), methods),
      target: targets(operation, world),
      as: mostly(fc.constant('owner' as const), fc.constantFrom('other', 'anonymous', 'forged')),
      headers: headers(operation),
      body: bodies(operation),
      chunked: mostly(fc.constant(false), fc.constant(true)),
    }),
  )
}

/** `usual` nine times out of ten, otherwise `other`. */
function mostly<T, U>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: other })
}

const methods = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE')

function targets(operation: Operation, { confirmKeys }: FuzzWorld): fc.Arbitrary<string> {
  const real = fc.constantFrom(...confirmKeys)
  const changed = fc.tuple(real, fc.nat(200), hostileText).map(([key, at, text]) => {
    const index = at % key.length
    return key.slice(0, index) + text + key.slice(index + 1)
  })
  const encoded = fc.oneof(
    { weight: 6, arbitrary: real },
    real.map((key) => key.replaceAll('.', '%2E')),
    real.map((key) => encodeURIComponent(encodeURIComponent(`${key}%`))),
    { weight: 2, arbitrary: changed.map(percentEncoded) },
    changed,
    fc.tuple(real, hostileText).map(([key, text]) => `${key}/${text}`),
    hostileText,
    hostileText.map(percentEncoded),
    hostileText.map((text) => percentEncoded(percentEncoded(text))),
  )
  return fc
    .tuple(
      encoded.map((key) => operation.path.replace('{confirmKey}', () => key)),
      mostly(
        fc.constant(''),
        hostileText.map((text) => `?${text}`),
      ),
      mostly(fc.constant(''), hostileText),
    )
    .map(([path, query, behind]) => visible(path + behind + query))
}

function percentEncoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

function visible(target: string): string {
  return target.replace(/[^\x21-\x7e]/g, '')
}

const metadataName = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'origin', '0', 'a.b_c-d', 'constructor') },
  fc.constantFrom('', '-', '.', '__proto__', 'A!', "'", 'x'.repeat(300)),
)

function headers(operation: Operation): fc.Arbitrary<[string, string][]> {
  const value = fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom('v', '', 'a b', 'a, b', '%E7%85%A7', '%0d%0aX-A: b') },
    hostileText.map((text) =>
      // As bytes of UTF-8, which is how a header carries them; of controls only what may be sent.
      Buffer.from(text.toWellFormed())
        .toString('latin1')
        .replace(/[^\t\x20-\x7e\x80-\xff]/g, ''),
    ),
  )
  const metadata = fc.tuple(
    metadataName.map((name) => `x-smh-meta-${name}`),
    value,
  )
  const other = fc.tuple(
    fc.constantFrom(
      ...[
        'x-request-id',
        'origin',
        'range',
        'if-none-match',
        'accept',
        'accept-encoding',
        'cookie',
      ],
      ...['x-forwarded-for', 'x-forwarded-proto', 'x-original-url', 'x-rewrite-url', 'forwarded'],
      ...['idempotency-key', 'traceparent', 'x-user-id', 'x-smh-user', 'x-cos-acl', 'referer'],
    ),
    value,
  )
  const override = fc.tuple(
    fc.constantFrom('x-http-method-override', 'x-method-override', '_method'),
    fc.constantFrom('DELETE', 'POST', 'GET'),
  )
  const many = fc
    .nat(25)
    .map((count) =>
      Array.from({ length: count }, (_, index): [string, string] => [`x-smh-meta-${index}`, 'v']),
    )
  const long = fc
    .nat(3000)
    .map((length): [string, string][] => [['x-smh-meta-long', 'v'.repeat(length)]])
  const type = operation.body
    ? mostly(
        fc.constantFrom('application/json', 'Application/JSON; charset=utf-8'),
        fc.constantFrom(
          ...['', 'text/plain', 'application/jsonp', 'application/x+json', 'application/json, a/b'],
          ...['multipart/form-data; boundary=a', 'application/json;charset=utf-16', '*/*', 'json'],
        ),
      ).map((text): [string, string][] => [['content-type', text]])
    : fc.constant<[string, string][]>([])
  return fc
    .tuple(
      mostly(type, fc.constant<[string, string][]>([])),
      fc.array(fc.oneof(metadata, metadata, other, override), { maxLength: 3 }),
      mostly(fc.constant<[string, string][]>([]), fc.oneof(many, long)),
    )
    .map((groups) => groups.flat())
}

function bodies({ body, bodyRequired }: Operation): fc.Arbitrary<Uint8Array | undefined> {
  if (!body) return mostly(fc.constant(undefined), fc.constant(Buffer.from('{}')))
  const text = fc
    .oneof({ weight: 8, arbitrary: objects(body) }, { weight: 1, arbitrary: hostileJson })
    .map((value) => JSON.stringify(value))
  const torn = fc.tuple(text, fc.nat(200)).map(([json, at]) => json.slice(0, at))
  const twin = fc
    .tuple(text, fc.constantFrom(...Object.keys(body.properties ?? {}), '__proto__'), hostileJson)
    .map(([json, name, value]) =>
      json.replace('{', () => `{${JSON.stringify(name)}:${JSON.stringify(value)},`),
    )
  const long = fc
    .tuple(text, fc.constantFrom(-1, 0, 1, 1000))
    .map(([json, more]) => json.padEnd(64 * 1024 + more))
  const invalid = fc
    .tuple(
      text,
      fc.nat(60),
      fc.constantFrom('ff', 'c0af', 'eda080', 'f09f98', 'f8888080', '00', '80'),
    )
    .map(([json, at, hex]) => {
      const bytes = Buffer.from(json)
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(hex, 'hex'), bytes.subarray(at)])
    })
  return fc.oneof(
    { weight: 12, arbitrary: text.map((json) => Buffer.from(json)) },
    fc
      .oneof(
        torn,
        twin,
        long,
        text.map((json) => `\ufeff${json}`),
      )
      .map((json) => Buffer.from(json)),
    invalid,
    fc.uint8Array({ maxLength: 100 }),
    ...(bodyRequired ? [] : [fc.constant(undefined), fc.constant(new Uint8Array())]),
  )
}

/** Objects of this schema, some of them with something left out, added or replaced. */
function objects({ properties = {}, required = [] }: Schema): fc.Arbitrary<object> {
  const valid = fc.record(
    Object.fromEntries(
      Object.entries(properties).map(([name, schema]) => [name, values(name, resolve(schema))]),
    ),
    { requiredKeys: required, noNullPrototype: true },
  )
  const names = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(properties)) },
    fc.constantFrom('__proto__', 'constructor', 'userId', 'spaceId', 'accessToken', 'Path', ''),
    hostileText,
  )
  const change = fc.tuple(names, fc.option(hostileJson, { nil: undefined }))
  return fc
    .tuple(valid, mostly(fc.constant([]), fc.array(change, { minLength: 1, maxLength: 3 })))
    .map(([value, changes]) => Object.fromEntries([...Object.entries(value), ...changes]))
}

const fileNames = fc
  .array(fc.constantFrom('a', 'b.txt', '照片', 'x y', '100%', '\u{1f600}', 'e\u0301', '..c'), {
    minLength: 1,
    maxLength: 4,
  })
  .map((levels) => levels.join('/'))

/** Ways out of a folder among names that are good. */
const waysOut = fc
  .array(
    fc.constantFrom(
      ...[
        'a',
        'b.txt',
        'users',
        'bob',
        '..',
        '.',
        '...',
        '',
        ' ',
        'a.',
        '%2e%2e',
        '.%2E',
        '%252e.',
      ],
      ...['..%2fbob', '%2e%2e%5cbob', '\u2025', '\uff0e\uff0e', '..\uff0fbob', '..\u2215..', 'a\0'],
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((levels) => levels.join('/'))

const USUAL_MAXIMUM = 1_000_000

function values(name: string, schema: Schema): fc.Arbitrary<unknown> {
  if (name === 'path') {
    return fc.oneof({ weight: 2, arbitrary: fileNames }, waysOut, hostileText)
  }
  if (name === 'crc64') return fc.bigInt({ min: 0n, max: 2n ** 64n }).map(String)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.format === 'date-time') {
    return fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString())
  }
  switch (schema.type) {
    case 'string':
      // A pattern with a maximum only keeps control characters out of what people write.
      if (schema.pattern && schema.maxLength === undefined)
        return fc.stringMatching(new RegExp(schema.pattern))
      return mostly(fc.constantFrom('holiday', '照片', 'a'), hostileText)
    case 'integer': {
      const { minimum: min = 0, maximum: max = USUAL_MAXIMUM } = schema
      // A file of most sizes that the document permits is larger than the gateway's default allows.
      return mostly(
        fc.integer({ min, max: Math.min(max, USUAL_MAXIMUM) }),
        fc.integer({ min, max }),
      )
    }
    case 'boolean':
      return fc.boolean()
    case 'object':
      return fc.dictionary(metadataName, mostly(fc.constantFrom('v', '', 'a b'), hostileText), {
        maxKeys: 3,
        noNullPrototype: true,
      })
    case 'array':
      return fc.array(values('', schema.items!), { maxLength: 3 })
    default:
      throw new Error(`nothing is known to make of ${JSON.stringify(schema)}`)
  }
}
