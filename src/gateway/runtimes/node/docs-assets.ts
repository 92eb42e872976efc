import { readFile } from 'node:fs/promises'
import type { ReadDocsAsset } from '../../ports.ts'

/** Reads from the folder `openapi`, which the package has as well as a checkout. */
export const readDocsAsset: ReadDocsAsset = async (name) =>
  new Uint8Array(await readFile(new URL(`../../../../openapi/${name}`, import.meta.url)))
