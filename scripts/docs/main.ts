/**
 * `npm run docs`: writes the documents that are generated from the code (scripts/docs/files.ts). Takes a
 * second. Prints nothing.
 */
import { writeFile } from 'node:fs/promises'
import { generatedFiles } from './files.ts'

for (const [path, text] of Object.entries(generatedFiles())) {
  await writeFile(new URL(`../../${path}`, import.meta.url), text)
}
