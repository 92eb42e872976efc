import { writeFile } from 'node:fs/promises'
import { openApiDocument } from '../src/openapi.ts'

/** Writes the published contract from the schemas that validate. */
const file = new URL('openapi.json', import.meta.url)
await writeFile(file, `${JSON.stringify(openApiDocument(), null, 2)}\n`)
