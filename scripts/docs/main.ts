import { writeFile } from 'node:fs/promises'
import { generatedFiles } from './files.ts'

/** `npm run docs`: writes the documents that are made from the code. */
for (const [path, text] of Object.entries(generatedFiles())) {
  await writeFile(new URL(`../../${path}`, import.meta.url), text)
}
