import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { Schema } from '../../../openapi/reference-fields.ts'
import { type ReferenceDocument, referencePage } from '../../../openapi/reference-page.ts'
import { openApiDocument } from '../../../src/gateway/openapi.ts'

const published = JSON.parse(JSON.stringify(openApiDocument())) as ReferenceDocument

/** What a person reads on the page. */
function textOf(page: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return page
    .replace(/<[^>]*>/g, '')
    .replace(/&(#?\w+);/g, (entity, name) => entities[name] ?? entity)
    .replace(/\s+/g, ' ')
}

/** A document of one operation, whose answer is this schema. */
function documentOf(schema: Schema, more: Partial<ReferenceDocument> = {}): ReferenceDocument {
  return {
    info: { title: 'A service', version: '1' },
    tags: [{ name: 'Things' }],
    paths: {
      '/things': {
        get: {
          operationId: 'getThings',
          summary: 'Get things',
          tags: ['Things'],
          responses: {
            200: { description: 'Things.', content: { 'application/json': { schema } } },
          },
        },
      },
    },
    components: { schemas: {} },
    ...more,
  }
}

test('reference page: equals what the document generates (npm run openapi)', async () => {
  const page = new URL('../../../openapi/reference.html', import.meta.url)
  expect(await readFile(page, 'utf8')).toBe(await referencePage(published))
})

test('reference page: shows every operation, field, text, value and error code of the document', async () => {
  const shown = textOf(await referencePage(published))
  const missing: unknown[] = []
  let looked = 0
  const expectShown = (text: unknown) => {
    looked += 1
    const words = String(text).replace(/^- |`/gm, '').replace(/\s+/g, ' ')
    if (!shown.includes(words)) missing.push(text)
  }
  const look = (part: object, isNames = false) => {
    for (const [key, value] of Object.entries(part)) {
      if (isNames) expectShown(key)
      else if (key === 'links' || key === 'servers' || key === 'securitySchemes') continue
      else if (/^(description|summary|operationId|pattern|name)$/.test(key)) expectShown(value)
      else if (/^(minimum|maximum|default|minLength|maxLength|maxItems|format)$/.test(key)) {
        expectShown(value)
      } else if (key === 'enum') value.map(expectShown)
      if (typeof value === 'object' && key !== 'example') {
        look(value, !isNames && /^(paths|responses|headers|properties|content)$/.test(key))
      }
    }
  }
  const { info, tags, paths, components } = published
  look({ info: { description: info.description }, tags, paths, components })
  expect(missing).toEqual([])
  expect(looked).toBeGreaterThan(200)
})

test('reference page: every link has a target on the page, and every id is unique', async () => {
  const page = await referencePage(published)
  const places = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
  expect(new Set(places).size).toBe(places.length)
  const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
  expect(links.length).toBeGreaterThan(10)
  expect(links.filter((link) => !places.includes(link))).toEqual([])
})

describe('reference page: a schema', () => {
  test.each<[string, Schema, string]>([
    ['of two types', { type: ['integer', 'null'] }, 'integer or null'],
    ['with a format', { type: 'integer', format: 'int64' }, 'integer (int64)'],
    ['of one value', { const: 'stored' }, '"stored"'],
    ['of alternatives', { oneOf: [{ type: 'string' }, { type: 'integer' }] }, 'string or integer'],
    ['of parts', { allOf: [{ type: 'object' }, { type: 'any' }] }, 'object and any'],
    ['of a list', { type: 'array', items: { type: 'string' } }, 'array of string'],
    [
      'of any names',
      { type: 'object', additionalProperties: { type: 'string' } },
      'object of string',
    ],
  ])('%s has a readable type', async (_, field, words) => {
    const page = await referencePage(documentOf({ properties: { field } }))
    expect(textOf(page)).toContain(`field ${words} optional`)
  })

  test('shows nested fields with their path', async () => {
    const part: Schema = { properties: { size: { type: 'integer' } }, required: ['size'] }
    const schema: Schema = {
      oneOf: [
        { properties: { parts: { type: 'array', items: part } } },
        { properties: { file: { type: 'object', properties: { name: { type: 'string' } } } } },
      ],
    }
    const text = textOf(await referencePage(documentOf(schema)))
    for (const field of ['parts[].size integer required', 'file object', 'file.name string']) {
      expect(text).toContain(field)
    }
  })

  test('with a name is a link to its section', async () => {
    const schema = { $ref: '#/components/schemas/Thing' }
    const Thing: Schema = { description: 'What it is.', properties: { a: { type: 'string' } } }
    const document = documentOf(schema, { components: { schemas: { Thing } } })
    const page = await referencePage(document)
    expect(page).toContain('<a href="#schema-Thing">Thing</a>')
    expect(page).toContain('<section id="schema-Thing"')
    expect(textOf(page)).toContain('What it is.')
  })

  test('has an example made of the examples of its fields', async () => {
    const schema: Schema = {
      properties: { a: { example: 'one' }, b: { enum: ['two', 'three'] }, c: { type: 'string' } },
    }
    const text = textOf(await referencePage(documentOf(schema)))
    expect(text).toContain('{ "a": "one", "b": "two" }')
  })
})

test('reference page: HTML in a description is shown as text', async () => {
  const document = documentOf({ description: 'x', properties: { a: { description: '<b>1</b>' } } })
  document.paths['/things']!.get!.description = 'A <script>alert(1)</script> of `<name>`.'
  const page = await referencePage(document)
  expect(page).not.toMatch(/<script|<b>1/)
  expect(textOf(page)).toContain('A <script>alert(1)</script> of <name>.')
})

test('reference page: an example request is quoted for the shell', async () => {
  const document = documentOf({})
  document.paths['/things']!.get!.requestBody = {
    required: true,
    content: { 'application/json': { schema: {}, example: { path: "Ann's clip" } } },
  }
  const text = textOf(await referencePage(document))
  expect(text).toContain(`-d '{"path":"Ann'\\''s clip"}'`)
})
