import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import document from '../../openapi/openapi.json' with { type: 'json' }

/** The part of JSON Schema that request bodies of the published document are written in. */
export interface Schema {
  $ref?: string
  type?: 'string' | 'integer' | 'boolean' | 'array' | 'object'
  enum?: string[]
  pattern?: string
  format?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  maxItems?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
}

interface PublishedResponse {
  description: string
  content?: Record<string, { schema: object }>
}

/** One operation of the published document. */
export interface Operation {
  id: string
  method: string
  /** With `{confirmKey}` in it, if it has one. */
  path: string
  body: Schema | undefined
  bodyRequired: boolean
  /** Whether the document allows this value as a request body. */
  allowsBody(value: unknown): boolean
  responses: Record<string, PublishedResponse>
}

interface PublishedOperation {
  operationId: string
  requestBody?: { required: boolean; content: { 'application/json': { schema: Schema } } }
  responses: Record<string, PublishedResponse>
}

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true })
ajv.addFormat('date-time', (text) => !Number.isNaN(Date.parse(text)))
for (const [format, bits] of [
  ['int32', 32],
  ['int64', 64],
] as const) {
  const validate = (value: number) => Math.abs(value) <= 2 ** (bits - 1)
  ajv.addFormat(format, { type: 'number', validate })
}
// Annotations of OpenAPI, and the keys of the document around its schemas.
ajv.addVocabulary(['example', 'x-extensible-enum', ...Object.keys(document)])
ajv.addSchema(closed(document) as object, 'openapi.json')

export const operations: Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods as object as Record<string, PublishedOperation>).map(
    ([method, { operationId, requestBody, responses }]) => ({
      id: operationId,
      method: method.toUpperCase(),
      path,
      body: requestBody && resolve(requestBody.content['application/json'].schema),
      bodyRequired: requestBody?.required ?? false,
      allowsBody: (value) =>
        validatorAt(
          'paths',
          path,
          method,
          'requestBody',
          'content',
          'application/json',
          'schema',
        )(value),
      responses,
    }),
  ),
)

/** The operations that need a token. */
export const uploadOperations = operations.filter(({ path }) => path.startsWith('/v1/'))

/** The schema itself, or the one that it refers to. */
export function resolve(schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1)
  return name ? (document.components.schemas as object as Record<string, Schema>)[name]! : schema
}

/** Why the document does not allow this response body; undefined when it does. */
export function responseErrors(
  { path, method }: Operation,
  status: number,
  mediaType: string,
  body: unknown,
): string | undefined {
  const response = ['paths', path, method.toLowerCase(), 'responses', String(status)]
  return errorsOf(validatorAt(...response, 'content', mediaType, 'schema'), body)
}

/** Why this value is no problem body of the document; undefined when it is one. */
export function problemErrors(body: unknown): string | undefined {
  return errorsOf(validatorAt('components', 'schemas', 'Problem'), body)
}

function errorsOf(validate: ValidateFunction, value: unknown): string | undefined {
  return validate(value) ? undefined : ajv.errorsText(validate.errors, { dataVar: 'body' })
}

/** Validates against the part of the document at this JSON Pointer. */
function validatorAt(...pointer: string[]): ValidateFunction {
  const escaped = pointer.map((token) =>
    encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1')),
  )
  const validate = ajv.getSchema(`openapi.json#/${escaped.join('/')}`)
  if (!validate) throw new Error(`The document has no ${pointer.join(' ')}.`)
  return validate as ValidateFunction
}

/** The document lets responses have more fields than it declares; this copy does not. */
function closed(part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part
  if (Array.isArray(part)) return part.map(closed)
  const copy = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, closed(value)]))
  const isModel = copy.type === 'object' && 'properties' in copy
  return isModel ? { additionalProperties: false, ...copy } : copy
}
