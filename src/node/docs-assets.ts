import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ReadDocsAsset } from '../deps.ts'

/** Swagger UI as npm installed it, read when it is asked for. */
export const readDocsAsset: ReadDocsAsset = async (name) => {
  const installed = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json')
  return new Uint8Array(await readFile(join(dirname(installed), name)))
}
