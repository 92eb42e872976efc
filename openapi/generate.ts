import { writeFile } from 'node:fs/promises'
import { openApi30Document, openApiDocument } from '../src/gateway/openapi.ts'
import { clientTypes } from './client-types.ts'
import { type ReferenceDocument, referencePage } from './reference-page.ts'

/** Writes the published contract from the schemas that validate; from it its page and the client's types. */
const document = openApiDocument()
const files = {
  'openapi.json': `${JSON.stringify(document, null, 2)}\n`,
  'openapi-3.0.json': `${JSON.stringify(openApi30Document(), null, 2)}\n`,
  'reference.html': await referencePage(document as unknown as ReferenceDocument),
  '../src/client/gateway-types.ts': await clientTypes(document),
}
for (const [name, text] of Object.entries(files)) {
  await writeFile(new URL(name, import.meta.url), text)
}
