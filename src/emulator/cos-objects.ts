import type { BlobStore } from './blob-store.ts'
import { checkAccess } from './cos-access.ts'
import { cosError, escapeXml } from './cos-errors.ts'
import { type ByteRange, byteRange } from './cos-ranges.ts'
import { openUpload } from './cos-uploads.ts'
import type { Incoming, Reply } from './http-server.ts'
import { orderedParts } from './smh-tasks.ts'
import { type Content, isoTime, type State } from './state.ts'

/**
 * Serves a stored object, or the requested range. HEAD has the headers of the whole object, because
 * ranges apply to GET only (RFC 9110 §14.2).
 */
export function getObject(
  state: State,
  blobStore: BlobStore,
  request: Incoming,
  key: string,
): Reply {
  checkAccess(state, request, key)
  const content = state.objects.get(key)
  if (!content) throw cosError('NoSuchKey')
  const range = rangeOf(request, content)
  const length = range ? range.last - range.first + 1 : content.size
  const disposition = request.query.get('response-content-disposition')
  return {
    status: range ? 206 : 200,
    headers: {
      'Content-Type': content.contentType,
      'Content-Length': String(length),
      'Accept-Ranges': 'bytes',
      ...(range && { 'Content-Range': `bytes ${range.first}-${range.last}/${content.size}` }),
      ETag: content.eTag,
      'Last-Modified': new Date(content.lastModified).toUTCString(),
      'x-cos-hash-crc64ecma': content.crc64,
      ...(disposition !== null && { 'Content-Disposition': asciiOnly(disposition) }),
    },
    ...(request.method === 'GET' && { body: blobStore.read(content.blobs, range) }),
  }
}

function rangeOf({ method, headers }: Incoming, content: Content): ByteRange | undefined {
  const condition = headers['if-range']
  const current = [content.eTag, new Date(content.lastModified).toUTCString()]
  if (method !== 'GET' || headers.range === undefined) return undefined
  if (condition !== undefined && !current.includes(condition)) return undefined
  const range = byteRange(headers.range, content.size)
  if (range !== 'unsatisfiable') return range
  throw cosError('InvalidRange', { 'Content-Range': `bytes */${content.size}` })
}

/** Lists the parts of an open upload (docs/smh-protocol.md#11.6). SMH itself signs only PUT. */
export function listParts(state: State, request: Incoming, key: string): Reply {
  checkAccess(state, request, key)
  const { query } = request
  const uploadId = query.get('uploadId') ?? ''
  const task = openUpload(state, key, uploadId)
  const most = Math.min(Number(query.get('max-parts') ?? 1000), 1000)
  const after = Number(query.get('part-number-marker') ?? 0)
  if (!(most >= 1) || !(after >= 0)) throw cosError('InvalidArgument')
  const remaining = orderedParts(task).filter(({ number }) => number > after)
  const listed = remaining.slice(0, most)
  const element = (name: string, text: string) => `\t<${name}>${escapeXml(text)}</${name}>\n`
  const [bucket = ''] = state.cosDomain.split('.')
  const body = [
    "<?xml version='1.0' encoding='utf-8' ?>\n<ListPartsResult>\n",
    element('Bucket', bucket),
    element('Key', key.slice(1)),
    element('UploadId', uploadId),
    element('PartNumberMarker', String(after)),
    element('NextPartNumberMarker', String(listed.at(-1)?.number ?? after)),
    element('MaxParts', String(most)),
    element('IsTruncated', String(listed.length < remaining.length)),
    ...listed.flatMap(({ number, blob, lastModified }) => [
      '\t<Part>\n',
      element('PartNumber', String(number)),
      element('LastModified', isoTime(lastModified)),
      element('ETag', `"${blob.md5}"`),
      element('Size', String(blob.size)),
      '\t</Part>\n',
    ]),
    '</ListPartsResult>',
  ].join('')
  return { status: 200, headers: { 'Content-Type': 'application/xml' }, body }
}

/** Node rejects other characters in this header. */
function asciiOnly(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, encodeURIComponent)
}
