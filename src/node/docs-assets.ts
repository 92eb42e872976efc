import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ReadDocsAsset } from '../deps.ts'

const contentTypes: Record<string, string> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
  'favicon-32x32.png': 'image/png',
}

/** The files of Swagger UI that the reference page needs, read when they are asked for. */
export const readDocsAsset: ReadDocsAsset = async (name) => {
  const contentType = Object.hasOwn(contentTypes, name) ? contentTypes[name] : undefined
  if (!contentType) return undefined
  const installed = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json')
  const file = await readFile(join(dirname(installed), name))
  return { body: new Uint8Array(file), contentType }
}
