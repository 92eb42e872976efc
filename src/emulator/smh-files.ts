import { downloadUrl } from './credentials.ts'
import { describedFields, fileFields } from './file-objects.ts'
import type { Reply } from './http-server.ts'
import { filePath } from './names.ts'
import { json, numberParameter, type SpaceCall } from './smh-call.ts'
import type { FileNode } from './state.ts'
import { findFile, removeNode } from './tree.ts'

/** Whether a file exists, with its details in headers (docs/smh-protocol.md#6.1). */
export function fileHead(call: SpaceCall): Reply {
  const node = findFile(call.space, filePath(call.rest))
  const { type, creationTime, modificationTime, contentType, size, eTag, crc64 } = fileFields(node)
  return {
    status: 200,
    headers: {
      'x-smh-type': type,
      'x-smh-creation-time': creationTime,
      'x-smh-modification-time': modificationTime,
      'x-smh-content-type': contentType,
      'x-smh-size': size,
      'x-smh-etag': eTag,
      'x-smh-crc64': crc64,
      ...node.metaData,
    },
  }
}

/** The details of a file and a signed URL of its bytes (docs/smh-protocol.md#6.2). */
export function fileInfo(call: SpaceCall): Reply {
  const node = findFile(call.space, filePath(call.rest))
  return json(200, {
    cosUrl: signedUrl(call, node),
    ...fileFields(node),
    ...describedFields(node),
    ...(call.request.query.get('with_content_cas') === '1' && { contentCas: node.contentCas }),
  })
}

/** Redirects to the signed URL (docs/smh-protocol.md#6.2). */
export function fileDownload(call: SpaceCall): Reply {
  const node = findFile(call.space, filePath(call.rest))
  return { status: 302, headers: { Location: signedUrl(call, node) } }
}

function signedUrl(call: SpaceCall, node: FileNode): string {
  const { query } = call.request
  const seconds = numberParameter(query, 'period', 60, 7200) ?? 7200
  const disposition = query.get('content_disposition') ?? undefined
  return downloadUrl(call.state, node.content.cosKey, seconds * 1000, disposition)
}

/** Deletes a file, without a recycle bin (docs/smh-protocol.md#6.7). */
export function deleteFile(call: SpaceCall): Reply {
  const path = filePath(call.rest)
  findFile(call.space, path)
  removeNode(call.state, call.blobStore, call.space, path)
  return { status: 204 }
}
