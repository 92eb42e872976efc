import { nameOf, type Schema } from './reference-fields.ts'
import type { Content, Operation, ReferenceDocument } from './reference-page.ts'

/** The example of a body: its own, or one made of those of its fields. */
export function exampleOf(body: Content[string], document: ReferenceDocument): unknown {
  return body.example ?? fromSchema(body.schema, document.components.schemas)
}

function fromSchema(schema: Schema, named: Record<string, Schema>): unknown {
  const own = schema.example ?? schema.examples?.[0] ?? schema.const ?? schema.default
  if (own !== undefined) return own
  if (schema.$ref) return fromSchema(named[nameOf(schema.$ref)] ?? {}, named)
  const [variant] = schema.oneOf ?? schema.anyOf ?? []
  if (variant) return fromSchema(variant, named)
  if (schema.allOf) {
    return Object.assign({}, ...schema.allOf.map((part) => fromSchema(part, named)))
  }
  if (schema.enum) return schema.enum[0]
  if (schema.items) {
    const item = fromSchema(schema.items, named)
    return item === undefined ? undefined : [item]
  }
  if (!schema.properties) return undefined
  const members = Object.entries(schema.properties).map(([name, field]) => [
    name,
    fromSchema(field, named),
  ])
  return Object.fromEntries(members.filter(([, value]) => value !== undefined))
}

interface Call {
  path: string
  method: string
  operation: Operation
  isPublic: boolean
}

/** A call by curl, which a person can paste once `GATEWAY` and `TOKEN` are set. */
export function requestExample(call: Call, document: ReferenceDocument): string {
  const { path, method, operation, isPublic } = call
  const url = (operation.parameters ?? []).reduce(
    (text, { name, example, schema }) =>
      text.replace(`{${name}}`, String(example ?? schema.example ?? name)),
    path,
  )
  const [mediaType, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  const example = body && operation.requestBody?.required && exampleOf(body, document)
  return [
    `curl ${method === 'GET' ? '' : `-X ${method} `}"$GATEWAY${url}"`,
    ...(isPublic ? [] : [`-H "Authorization: Bearer $TOKEN"`]),
    ...(example
      ? [`-H 'Content-Type: ${mediaType}'`, `-d ${quoted(JSON.stringify(example))}`]
      : []),
  ].join(' \\\n  ')
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
