import { readFile } from 'node:fs/promises'
import type { ReadDocsAsset } from '../../ports.ts'

/** Reads from the folder `openapi`. The published package contains it too. */
export const readDocsAsset: ReadDocsAsset = async (name) =>
  new Uint8Array(await readFile(new URL(`../../../../openapi/${name}`, import.meta.url)))
