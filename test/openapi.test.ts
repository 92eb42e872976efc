import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { openApiDocument } from '../src/openapi.ts'

type Json = Record<string, unknown>

interface Operation {
  operationId: string
  summary: string
  security?: unknown[]
  parameters?: Json[]
  requestBody?: { content: Record<string, { schema: Json }> }
  responses: Record<
    string,
    { description: string; headers?: Json; content?: Record<string, { schema: Json }> }
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

/** Codes of the contract's table that any call under /v1 may be answered with. */
const always =
  'invalid_request missing_token invalid_token insufficient_scope not_permitted rate_limited ' +
  'internal_error upstream_error overloaded upstream_unavailable upstream_timeout'

const withBody = 'request_too_large unsupported_media_type'

const ofBegins =
  `${always} ${withBody} parent_not_found name_conflict file_too_large ` +
  'metadata_too_large content_refused quota_exceeded'

const expected: Record<string, { call: string; successes: string; codes: string }> = {
  beginUpload: {
    call: 'post /v1/uploads',
    successes: '201',
    codes: ofBegins,
  },
  instantUpload: {
    call: 'post /v1/instant-uploads',
    successes: '200',
    codes: `${ofBegins} size_mismatch`,
  },
  getUpload: {
    call: 'get /v1/uploads/{confirmKey}',
    successes: '200',
    codes: `${always} upload_not_found name_conflict`,
  },
  renewUpload: {
    call: 'post /v1/uploads/{confirmKey}/renew',
    successes: '200',
    codes: `${always} ${withBody} upload_not_found name_conflict upload_complete`,
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

test('what is published is what the code says (npm run openapi)', async () => {
  const published = await readFile(new URL('../openapi/openapi.json', import.meta.url), 'utf8')
  expect(JSON.parse(published)).toEqual(document)
})

test('it holds every operation and no other', () => {
  const calls = operations.map(({ method, path, operationId }) => [
    operationId,
    `${method} ${path}`,
  ])
  expect(Object.fromEntries(calls)).toEqual(
    Object.fromEntries(Object.entries(expected).map(([id, { call }]) => [id, call])),
  )
  expect(calls).toHaveLength(Object.keys(expected).length)
})

describe.each(operations)('$operationId', (operation) => {
  const { successes, codes } = expected[operation.operationId]!

  test('says what it does and who may', () => {
    expect(operation.summary).toMatch(/^[A-Z].{5,}[^.]$/)
    const security = operation.security ?? document.security
    expect(security).toEqual(operation.path.startsWith('/v1/') ? [{ bearer: [] }] : [])
    expect(document.components.securitySchemes).toHaveProperty('bearer')
  })

  test('has these successes and these problems', () => {
    const found = Object.keys(operation.responses).filter((status) => status < '400')
    expect(found.join(' ')).toBe(successes)
    const named = Object.entries(operation.responses)
      .filter(([status]) => status >= '400')
      .flatMap(([, { description }]) => description.match(/[a-z_]+/g) ?? [])
    expect(named.sort()).toEqual(codes.split(' ').sort())
  })

  test('tells the headers of its answers', () => {
    for (const [status, { headers = {} }] of Object.entries(operation.responses)) {
      expect([status, Object.keys(headers)]).toEqual([
        status,
        expect.arrayContaining(headersOf(operation.operationId, status)),
      ])
    }
  })

  test('shows an example of all that goes in and comes out', () => {
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
  const reference = (part as Json).$ref
  if (typeof reference === 'string') {
    return hasExample(document.components.schemas[reference.split('/').at(-1) ?? ''])
  }
  return Object.values(part).some(hasExample)
}
