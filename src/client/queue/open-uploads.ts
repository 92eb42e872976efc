import type { OpenUpload } from '../gateway-types.ts'
import type { QueuedFile } from './types.ts'

/**
 * Adds to each file the confirm key of an open upload with the same path and size, so that it resumes. If the
 * content differs, the checksum does too, and the client sends the parts again.
 *
 * @param open the result of the client's `list`
 */
export function resumeOpenUploads(
  items: Iterable<QueuedFile>,
  open: readonly OpenUpload[],
): QueuedFile[] {
  const keys = new Map(
    open.map(({ path, size, confirmKey }) => [keyOf(path.join('/'), size), confirmKey]),
  )
  return Array.from(items, (item) => {
    const key = keyOf(item.path, item.file.size)
    const confirmKey = item.confirmKey ?? keys.get(key)
    // A second file with this path is another upload.
    if (confirmKey === keys.get(key)) keys.delete(key)
    return { ...item, ...(confirmKey !== undefined && { confirmKey }) }
  })
}

const keyOf = (path: string, size: number) => `${size} ${path.replace(/^\//, '')}`
