/** The part of JSON Schema that the document is written in. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  const?: unknown
  enum?: unknown[]
  default?: unknown
  pattern?: string
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  exclusiveMaximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
  oneOf?: Schema[]
  anyOf?: Schema[]
  allOf?: Schema[]
  description?: string
  example?: unknown
  examples?: unknown[]
}

export interface Field {
  /** With the names of the objects and lists that it is in: `parts[].size`. */
  name: string
  schema: Schema
  required: boolean
  limits: [words: string, value: string][]
}

/** A schema's type in words. Named schemas stand in brackets: `array of [Part]`. */
export function typeOf(schema: Schema): string {
  const { $ref, type, format, items, additionalProperties } = schema
  if ($ref) return `[${nameOf($ref)}]`
  const variants = schema.oneOf ?? schema.anyOf
  if (variants) return variants.map(typeOf).join(' or ')
  if (schema.allOf) return schema.allOf.map(typeOf).join(' and ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (type === 'array' && items) return `array of ${typeOf(items)}`
  if (type === 'object' && typeof additionalProperties === 'object') {
    return `object of ${typeOf(additionalProperties)}`
  }
  const name = [type ?? 'any'].flat().join(' or ')
  return format ? `${name} (${format})` : name
}

/**
 * The fields of a schema as a flat list: those of nested objects follow the object. A named schema
 * within is a link, not repeated here.
 */
export function fieldsOf(schema: Schema, named: Record<string, Schema>, prefix = ''): Field[] {
  if (schema.$ref && prefix === '') return fieldsOf(named[nameOf(schema.$ref)] ?? {}, named)
  const variants = [...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])]
  if (variants.length > 0) {
    return variants.flatMap((variant) => (variant.$ref ? [] : fieldsOf(variant, named, prefix)))
  }
  if (schema.items) return fieldsOf(schema.items, named, `${prefix}[]`)
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = prefix ? `${prefix}.${key}` : key
    const own: Field = {
      name,
      schema: field,
      required: schema.required?.includes(key) ?? false,
      limits: limitsOf(field),
    }
    return [own, ...fieldsOf(field, named, name)]
  })
}

function limitsOf(schema: Schema): [string, string][] {
  const { items } = schema
  const own: [string, unknown][] = [
    ['One of', schema.enum?.map((value) => JSON.stringify(value)).join(', ')],
    ['Default', schema.default === undefined ? undefined : JSON.stringify(schema.default)],
    ['Minimum', schema.minimum],
    ['Maximum', schema.maximum],
    ['Greater than', schema.exclusiveMinimum],
    ['Less than', schema.exclusiveMaximum],
    ['Characters, at least', schema.minLength],
    ['Characters, at most', schema.maxLength],
    ['Items, at least', schema.minItems],
    ['Items, at most', schema.maxItems],
    ['Pattern', schema.pattern],
  ]
  const limits = own.flatMap(([words, value]): [string, string][] =>
    value === undefined ? [] : [[words, String(value)]],
  )
  const ofItems = items && !items.$ref ? limitsOf(items) : []
  return [
    ...limits,
    ...ofItems.map(([words, value]): [string, string] => [`Each: ${words}`, value]),
  ]
}

export function nameOf(reference: string): string {
  return reference.split('/').at(-1) ?? ''
}
