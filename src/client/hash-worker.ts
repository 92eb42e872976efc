import { fullHash } from './hashes.ts'

/**
 * Entry of a Web Worker that hashes files. It receives `{ file }` and posts `{ hash }`, or `{}` when the
 * file cannot be read. The app serves it as a separate file, so that `worker-src 'self'` permits it.
 */
addEventListener('message', async ({ data }: MessageEvent<{ file: Blob }>) => {
  const hash = await fullHash(data.file, new AbortController().signal).catch(() => undefined)
  postMessage({ hash })
})
