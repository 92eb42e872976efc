import { compile } from 'json-schema-to-typescript'
import type { openApiDocument } from '../src/gateway/openapi.ts'

type Schema = Parameters<typeof compile>[0]

/**
 * The types that the TypeScript client has of the gateway's bodies, from the document's own schemas.
 * They are committed, so that the client needs neither the server's schemas nor a build.
 */
export async function clientTypes(document: ReturnType<typeof openApiDocument>): Promise<string> {
  const schemas = JSON.parse(JSON.stringify(document.components?.schemas ?? {}), typed) as Record<
    string,
    Schema
  >
  // The title is what a reference to a schema becomes.
  const titled = Object.fromEntries(
    Object.entries(schemas).map(([title, schema]) => [title, { ...schema, title }]),
  )
  const types = await Promise.all(
    Object.entries(schemas).map(([name, schema]) =>
      compile({ ...schema, components: { schemas: titled } }, name, {
        bannerComment: '',
        // Responses are open, but what is not declared is no business of the client's.
        additionalProperties: false,
        // Each schema is declared once, under its own name.
        declareExternallyReferenced: false,
        // Else a list of at most 20 becomes 21 kinds of tuple.
        ignoreMinAndMaxItems: true,
        style: { semi: false, singleQuote: true, printWidth: 100 },
      }),
    ),
  )
  return ['/* Made from openapi.json by npm run openapi; not edited by hand. */\n', ...types].join(
    '\n',
  )
}

/** Open lists of values: editors know today's, and a later one is a string as well. */
function typed(_name: string, schema: Schema & { 'x-extensible-enum'?: string[] }): unknown {
  const values = schema?.['x-extensible-enum']
  if (!values) return schema
  return {
    ...schema,
    tsType: [...values.map((value) => `'${value}'`), '(string & {})'].join(' | '),
  }
}
