import { writeFile } from 'node:fs/promises'
import { openApiDocument } from '../src/openapi.ts'
import { clientTypes } from './client-types.ts'

/** Writes the published contract from the schemas that validate, and the client's types from it. */
const document = openApiDocument()
await writeFile(new URL('openapi.json', import.meta.url), `${JSON.stringify(document, null, 2)}\n`)
await writeFile(
  new URL('../src/client/gateway-types.ts', import.meta.url),
  await clientTypes(document),
)
