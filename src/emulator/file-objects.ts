import { fileTypeOf } from './file-types.ts'
import { type FileNode, isoTime } from './state.ts'

/** The fields that all descriptions of a stored file share (docs/smh-protocol.md#5.7). */
export function fileFields(node: FileNode) {
  const { type, fileType } = fileTypeOf(node.name)
  const visual = type === 'image' || type === 'video'
  return {
    type,
    creationTime: isoTime(node.creationTime),
    modificationTime: isoTime(node.modificationTime),
    contentType: node.content.contentType,
    size: String(node.content.size),
    eTag: node.content.eTag,
    crc64: node.content.crc64,
    ...(node.metaData && { metaData: node.metaData }),
    virusAuditStatus: 0,
    previewByDoc: fileType === 'document',
    previewByCI: visual,
    previewAsIcon: visual,
    fileType,
  }
}

/** Labels, category and local times. Only the info calls return them (docs/smh-protocol.md#6.2). */
export function describedFields(node: FileNode) {
  return {
    ...(node.labels && { labels: node.labels }),
    ...(node.category !== undefined && { category: node.category }),
    ...(node.localCreationTime !== undefined && { localCreationTime: node.localCreationTime }),
    ...(node.localModificationTime !== undefined && {
      localModificationTime: node.localModificationTime,
    }),
  }
}
