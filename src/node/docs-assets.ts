import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ReadDocsAsset } from '../deps.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Kept: anybody may ask for them, and a copy for each answer that nobody takes would fill the memory. */
const assets = new Map<string, Bytes>()

/** Swagger UI as npm installed it, read when it is asked for. */
export const readDocsAsset: ReadDocsAsset = async (name) => {
  const known = assets.get(name)
  if (known) return known
  const installed = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json')
  const bytes: Bytes = new Uint8Array(await readFile(join(dirname(installed), name)))
  assets.set(name, bytes)
  return bytes
}
