import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ReadDocsAsset } from '../deps.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Kept: anybody may ask for them, and a copy for each answer that nobody takes would fill the memory. */
const assets = new Map<string, Promise<Bytes>>()

/** Swagger UI as npm installed it, read when it is asked for. */
export const readDocsAsset: ReadDocsAsset = (name) => {
  const known = assets.get(name)
  if (known) return known
  const asset = read(name)
  assets.set(name, asset)
  asset.catch(() => assets.delete(name))
  return asset
}

async function read(name: string): Promise<Bytes> {
  const installed = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json')
  return new Uint8Array(await readFile(join(dirname(installed), name)))
}
