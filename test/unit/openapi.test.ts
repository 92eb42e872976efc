import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { statusOf } from '../../src/gateway/errors.ts'
import { openApi30Document, openApiDocument } from '../../src/gateway/openapi.ts'
import { parsePath } from '../../src/gateway/uploads/names.ts'
import { hostileText } from '../support/hostile-values.ts'

type Json = Record<string, unknown>

interface Operation {
  operationId: string
  summary: string
  security?: unknown[]
  parameters?: Json[]
  requestBody?: { content: Record<string, { schema: Json }> }
  responses: Record<
    string,
    {
      description: string
      headers?: Json
      content?: Record<string, { schema: Json }>
      links?: Record<string, { operationId: string; parameters: Json }>
    }
  >
}

// As it is read by others: plain JSON.
const document = JSON.parse(JSON.stringify(openApiDocument())) as {
  openapi: string
  security: unknown[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Json>; securitySchemes: Json }
}

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
)

/** Codes that every operation under /v1 may return. */
const always =
  'invalid_request missing_token invalid_token insufficient_scope not_permitted rate_limited ' +
  'internal_error upstream_error overloaded upstream_unavailable upstream_timeout'

const withBody = 'request_too_large unsupported_media_type'

const beginErrors =
  `${always} ${withBody} parent_not_found name_conflict upload_complete request_in_progress ` +
  'file_too_large idempotency_key_reused too_many_open_uploads metadata_too_large content_refused ' +
  'quota_exceeded'

const expected: Record<string, { call: string; successes: string; codes: string }> = {
  beginUpload: {
    call: 'post /v1/uploads',
    successes: '201',
    codes: beginErrors,
  },
  instantUpload: {
    call: 'post /v1/instant-uploads',
    successes: '200',
    codes: `${beginErrors} size_mismatch`,
  },
  listUploads: {
    call: 'get /v1/uploads',
    successes: '200',
    codes: always,
  },
  getUpload: {
    call: 'get /v1/uploads/{confirmKey}',
    successes: '200',
    codes: `${always} upload_not_found name_conflict`,
  },
  renewUpload: {
    call: 'post /v1/uploads/{confirmKey}/renew',
    successes: '200',
    codes: `${always} ${withBody} upload_not_found name_conflict upload_complete not_renewable`,
  },
  completeUpload: {
    call: 'post /v1/uploads/{confirmKey}/complete',
    successes: '200',
    codes:
      `${always} ${withBody} upload_not_found parent_not_found name_conflict upload_complete ` +
      'file_too_large upload_incomplete size_mismatch checksum_mismatch content_refused ' +
      'quota_exceeded',
  },
  abortUpload: {
    call: 'delete /v1/uploads/{confirmKey}',
    successes: '204',
    codes: `${always} upload_not_found name_conflict upload_complete`,
  },
  getLiveness: { call: 'get /livez', successes: '200', codes: 'method_not_allowed' },
  getReadiness: {
    call: 'get /readyz',
    successes: '200',
    codes: 'method_not_allowed upstream_unavailable',
  },
}

test.each([
  ['openapi.json', '3.1.0', openApiDocument()],
  ['openapi-3.0.json', '3.0.3', openApi30Document()],
])(
  '%s, OpenAPI %s: equals what the code generates (npm run openapi)',
  async (name, version, made) => {
    const published = await readFile(new URL(`../../openapi/${name}`, import.meta.url), 'utf8')
    expect(published).toBe(`${JSON.stringify(made, null, 2)}\n`)
    expect(JSON.parse(published).openapi).toBe(version)
  },
)

test('OpenAPI documents: 3.0 and 3.1 differ only in how they write null', () => {
  const older = JSON.parse(JSON.stringify(openApi30Document()), (_, part) => {
    if (part?.nullable !== true) return part
    const { nullable, type, ...others } = part
    return { ...others, type: [type, 'null'] }
  })
  expect({ ...older, openapi: '3.1.0', webhooks: {} }).toEqual(document)
})

test('OpenAPI document: has exactly these operations', () => {
  const calls = operations.map(({ method, path, operationId }) => [
    operationId,
    `${method} ${path}`,
  ])
  expect(Object.fromEntries(calls)).toEqual(
    Object.fromEntries(Object.entries(expected).map(([id, { call }]) => [id, call])),
  )
  expect(calls).toHaveLength(Object.keys(expected).length)
})

describe.each(operations)('OpenAPI operation $operationId', (operation) => {
  const { successes, codes } = expected[operation.operationId]!

  test('has a summary and its security requirement', () => {
    expect(operation.summary).toMatch(/^[A-Z].{5,}[^.]$/)
    const security = operation.security ?? document.security
    expect(security).toEqual(operation.path.startsWith('/v1/') ? [{ bearer: [] }] : [])
    expect(document.components.securitySchemes).toHaveProperty('bearer')
  })

  test('has exactly these successes and problem codes', () => {
    const found = Object.keys(operation.responses).filter((status) => status < '400')
    expect(found.join(' ')).toBe(successes)
    const named = Object.entries(operation.responses)
      .filter(([status]) => status >= '400' && status !== 'default')
      .flatMap(([, { description }]) => description.match(/[a-z_]+/g) ?? [])
    expect(named.sort()).toEqual(codes.split(' ').sort())
  })

  test('lists the headers of its responses', () => {
    for (const [status, { headers = {} }] of Object.entries(operation.responses)) {
      expect([status, Object.keys(headers)]).toEqual([
        status,
        expect.arrayContaining(headersOf(operation.operationId, status)),
      ])
    }
  })

  test('declares every error as a problem, and a default for other statuses', () => {
    const errors = Object.entries(operation.responses).filter(([status]) => status >= '400')
    expect(errors.map(([status]) => status)).toContain('default')
    for (const [, { content }] of errors) {
      const schema = { $ref: '#/components/schemas/Problem' }
      expect(content).toEqual({ 'application/problem+json': { schema } })
    }
  })

  test('allows extra fields in responses, not in requests', () => {
    for (const { schema } of Object.values(operation.requestBody?.content ?? {})) {
      expect(resolved(schema)).toMatchObject({ type: 'object', additionalProperties: false })
    }
    for (const { content = {} } of Object.values(operation.responses)) {
      const schemas = Object.values(content).flatMap(({ schema }) => partsOf(schema))
      expect(schemas.filter((part) => part.additionalProperties === false)).toEqual([])
    }
  })

  test('has an example for each body and parameter', () => {
    const bodies = [operation.requestBody, ...Object.values(operation.responses)]
    for (const body of bodies) {
      for (const { schema } of Object.values(body?.content ?? {})) {
        expect(hasExample(schema)).toBe(true)
      }
    }
    for (const parameter of operation.parameters ?? []) {
      expect(hasExample(parameter)).toBe(true)
    }
  })
})

describe('OpenAPI document, for client generators', () => {
  const everyPart = partsOf(document.paths).concat(partsOf(document.components))
  const integers = Object.entries(document.components.schemas).flatMap(([model, schema]) =>
    Object.entries((schema.properties ?? {}) as Record<string, Json>).flatMap(([field, property]) =>
      [property, property.items as Json | undefined]
        .filter((part) => part?.type === 'integer')
        .map((part) => [`${model}.${field}`, part?.format] as const),
    ),
  )

  test('byte counts have 64 bits, other integers 32', () => {
    const bytes = ['size', 'trafficLimit']
    const expected = integers.map(([name]) => {
      const isBytes = bytes.includes(name.split('.')[1] ?? '')
      return [name, isBytes ? 'int64' : 'int32']
    })
    expect(integers).toEqual(expected)
    expect(integers.map(([name]) => name)).toEqual(
      expect.arrayContaining(['BeginUpload.size', 'ReceivedPart.size', 'Problem.missingParts']),
    )
  })

  test('every integer has a format', () => {
    const without = everyPart.filter(({ type, format }) => type === 'integer' && !format)
    expect(without).toEqual([])
  })

  test('every object is a named model', () => {
    const names = Object.keys(document.components.schemas).sort()
    expect(names).toEqual([
      'BeginUpload',
      'CompleteUpload',
      'FieldError',
      'HealthStatus',
      'InstantUpload',
      'InstantUploadResult',
      'OpenUpload',
      'OpenUploads',
      'Problem',
      'ReceivedPart',
      'RenewUpload',
      'StoredFile',
      'UploadCredentials',
      'UploadStatus',
    ])
    const named = new Set(Object.values(document.components.schemas))
    const unnamed = everyPart.filter(
      (part) => part.type === 'object' && part.properties && !named.has(part),
    )
    expect(unnamed).toEqual([])
  })

  test('optional fields have no default, which some generators treat as required', () => {
    expect(everyPart.filter((part) => 'type' in part && 'default' in part)).toEqual([])
    expect(document.components.schemas.BeginUpload?.required).toEqual(['path', 'size'])
    const required = document.components.schemas.InstantUpload?.required as string[]
    expect([...required].sort()).toEqual(['beginningHash', 'path', 'size'])
  })

  test('no schema is a union', () => {
    const unions = everyPart.filter((part) => part.oneOf ?? part.anyOf ?? part.allOf)
    expect(unions).toEqual([])
  })

  test('error codes are an open list of the known ones', () => {
    const { properties } = document.components.schemas.Problem as { properties: Json }
    const code = properties.code as Json & { description: string }
    expect(code).toMatchObject({ type: 'string', 'x-extensible-enum': Object.keys(statusOf) })
    expect(code).not.toHaveProperty('enum')
    for (const known of Object.keys(statusOf)) expect(code.description).toContain(known)
  })

  test.each([
    ['beginUpload', '201', '$response.body#/confirmKey'],
    ['instantUpload', '200', '$response.body#/credentials/confirmKey'],
    ['renewUpload', '200', '$response.body#/confirmKey'],
  ])('%s links to the later operations', (operationId, status, confirmKey) => {
    const operation = operations.find((each) => each.operationId === operationId)
    const links = Object.values(operation?.responses[status]?.links ?? {})
    expect(links.map((link) => link.operationId)).toEqual([
      'getUpload',
      'renewUpload',
      'completeUpload',
      'abortUpload',
    ])
    for (const { parameters } of links) expect(parameters).toEqual({ confirmKey })
  })

  test('begin and instant upload describe the metadata headers', () => {
    for (const operationId of ['beginUpload', 'instantUpload']) {
      const operation = operations.find((each) => each.operationId === operationId) as Json
      expect(operation.description).toContain('`x-smh-meta-<name>`')
    }
  })
})

describe('OpenAPI patterns', () => {
  const { path, labels, category } = document.components.schemas.BeginUpload!.properties as Record<
    string,
    Json & { items: Json }
  >
  const patterns = { path, label: labels?.items, category }

  test.each(Object.entries(patterns))('%s matches no control character', (_, schema) => {
    const pattern = new RegExp(String(schema?.pattern), 'u')
    expect(pattern.test('a b/照片 🎞️.mov')).toBe(true)
    for (let code = 0; code < 0xa0; code += 1) {
      const isControl = code < 0x20 || code >= 0x7f
      const text = `a${String.fromCharCode(code)}b`
      const isOther = schema === path && /[\\:*?"<>|]/.test(text)
      expect([code, pattern.test(text)]).toEqual([code, !isControl && !isOther])
    }
  })

  test('path matches every path that the gateway accepts', { timeout: 30_000 }, () => {
    const pattern = new RegExp(String(path?.pattern), 'u')
    fc.assert(
      fc.property(fc.oneof(hostileText, fc.string({ unit: 'binary' })), (text) => {
        const composed = text.normalize('NFC')
        if ('names' in parsePath(composed)) expect(composed).toMatch(pattern)
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    '',
    '/',
    'a/',
    '//a',
    'a//b',
    'a\\b',
    'a:b',
    'a\n',
    'a|b',
    '.',
    '..',
    'a/../b',
    'a.',
    ' a',
    'a /b',
  ])('path refuses %j, as the gateway does', (text) => {
    expect(parsePath(text)).toHaveProperty('issue')
    expect(text).not.toMatch(new RegExp(String(path?.pattern), 'u'))
  })
})

/** This part of the document and all parts below it, references followed. */
function partsOf(part: unknown): Json[] {
  if (typeof part !== 'object' || part === null) return []
  const here = resolved(part as Json)
  return [here, ...Object.values(here).flatMap(partsOf)]
}

function resolved(schema: Json): Json {
  if (typeof schema.$ref !== 'string') return schema
  return document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] as Json
}

const withCredentials = ['beginUpload', 'instantUpload', 'renewUpload']

function headersOf(operationId: string, status: string): string[] {
  const credentials =
    (status === '200' || status === '201') && withCredentials.includes(operationId)
      ? ['Location', 'Upload-Expires']
      : []
  return [
    'X-Request-Id',
    ...credentials,
    ...(status === '401' ? ['WWW-Authenticate'] : []),
    ...(status === '429' || status === '503' ? ['Retry-After'] : []),
  ]
}

/** Whether an example stands anywhere in it, or in what it refers to. */
function hasExample(part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return false
  if ('example' in part || 'examples' in part) return true
  const here = resolved(part as Json)
  return here === part ? Object.values(part).some(hasExample) : hasExample(here)
}
