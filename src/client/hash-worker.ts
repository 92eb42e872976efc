import { fullHash } from './hashes.ts'

/**
 * The entry of a Web Worker that hashes whole files: `{ file }` in, `{ hash }` out, or `{}` when it
 * cannot be read. An app serves it as a file of its own, which is what a page with
 * `worker-src 'self'` may start.
 */
addEventListener('message', async ({ data }: MessageEvent<{ file: Blob }>) => {
  const hash = await fullHash(data.file, new AbortController().signal).catch(() => undefined)
  postMessage({ hash })
})
