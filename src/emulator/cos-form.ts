import type { BlobStore } from './blob-store.ts'
import { checkFormAccess } from './cos-access.ts'
import { cosError } from './cos-errors.ts'
import { keepObject, storedHeaders } from './cos-uploads.ts'
import type { Incoming, Reply } from './http-server.ts'
import type { State } from './state.ts'

/** The emulator reads forms into memory, unlike parts. COS accepts 5 GB. */
const MAX_FORM_BYTES = 64 * 1024 * 1024

/**
 * Stores an object from a browser's form: all fields first, then the bytes in `file`
 * (docs/smh-protocol.md#5.4).
 */
export async function postForm(
  state: State,
  blobStore: BlobStore,
  request: Incoming,
): Promise<Reply> {
  const length = request.headers['content-length']
  if (length === undefined) throw cosError('MissingContentLength')
  if (Number(length) > MAX_FORM_BYTES) throw cosError('EntityTooLarge')
  const data = await readForm(request)
  request.record.bodyBytes = Number(length)
  const fields = new Map<string, string>()
  let file: File | undefined
  for (const [name, value] of data) {
    if (name === 'file' && typeof value !== 'string') {
      file = value
      break // COS ignores what follows the file: https://cloud.tencent.com/document/product/436/14690
    }
    if (typeof value === 'string') fields.set(name, value)
  }
  if (!file) throw cosError('MalformedPOSTRequest')
  const key = checkFormAccess(state, fields)
  if (state.uploads.get(key)?.state !== 'open') throw cosError('AccessDenied')
  const blob = await blobStore.write(file.stream() as unknown as AsyncIterable<Uint8Array>)
  await request.waitAtLastByte()
  await keepObject(state, blobStore, key, blob)
  return {
    status: 204,
    headers: { ...storedHeaders(blob), Location: `${state.cosScheme}://${state.cosDomain}${key}` },
  }
}

async function readForm(request: Incoming): Promise<FormData> {
  try {
    const chunks: Uint8Array<ArrayBuffer>[] = []
    for await (const chunk of request.stream) chunks.push(chunk)
    const headers = { 'Content-Type': request.headers['content-type'] ?? '' }
    return await new Response(new Blob(chunks), { headers }).formData()
  } catch {
    throw cosError('MalformedPOSTRequest')
  }
}
