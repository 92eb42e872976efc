import document from '../../openapi/openapi.json' with { type: 'json' }

/** The part of JSON Schema that the published document is written in. */
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

/** One call under /v1 as the document has it. */
export interface Operation {
  id: string
  method: string
  /** With `{confirmKey}` in it, if it has one. */
  path: string
  body: Schema | undefined
  bodyRequired: boolean
}

interface Published {
  operationId: string
  requestBody?: { required: boolean; content: { 'application/json': { schema: Schema } } }
}

export const operations: Operation[] = Object.entries(document.paths)
  .filter(([path]) => path.startsWith('/v1/'))
  .flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Published>).map(([method, published]) => ({
      id: published.operationId,
      method: method.toUpperCase(),
      path,
      body:
        published.requestBody && resolve(published.requestBody.content['application/json'].schema),
      bodyRequired: published.requestBody?.required ?? false,
    })),
  )

export function resolve(schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1)
  return name ? (document.components.schemas as object as Record<string, Schema>)[name]! : schema
}

/** Whether the document allows this value. It shares no code with what checks requests. */
export function allows(schema: Schema, value: unknown): boolean {
  switch (schema.type) {
    case 'string':
      return typeof value === 'string' && allowsText(schema, value)
    case 'integer': {
      const { minimum = -Infinity, maximum = Infinity } = schema
      return Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
    }
    case 'boolean':
      return typeof value === 'boolean'
    case 'array':
      return (
        Array.isArray(value) &&
        value.length <= (schema.maxItems ?? Infinity) &&
        value.every((item) => allows(schema.items!, item))
      )
    case 'object':
      return allowsObject(schema, value)
    default:
      throw new Error(`no such type: ${JSON.stringify(schema)}`)
  }
}

function allowsText(schema: Schema, text: string): boolean {
  const { minLength = 0, maxLength = Infinity } = schema
  const { length } = [...text]
  return (
    length >= minLength &&
    length <= maxLength &&
    (!schema.enum || schema.enum.includes(text)) &&
    (!schema.pattern || new RegExp(schema.pattern, 'u').test(text)) &&
    (schema.format !== 'date-time' || !Number.isNaN(Date.parse(text)))
  )
}

function allowsObject({ properties = {}, required = [] }: Schema, value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return (
    required.every((name) => Object.hasOwn(value, name)) &&
    Object.entries(value).every(
      ([name, member]) => Object.hasOwn(properties, name) && allows(properties[name]!, member),
    )
  )
}
