import type { QueuedFile } from './types.ts'

/**
 * The files of an `<input type="file">`, with the folders that they were chosen with
 * (`<input webkitdirectory>`).
 */
export function chosenFiles(files: Iterable<File> | ArrayLike<File>): QueuedFile[] {
  return Array.from(files, (file) => ({ file, path: file.webkitRelativePath || file.name }))
}

/**
 * The files of a drop, with the folders that they were dropped in. Call it in the `drop` event: later the
 * browser has emptied the `DataTransfer`.
 *
 * @param onUnreadable receives what the browser cannot read. The other files follow. Default: ignored.
 */
export function droppedFiles(
  { items, files }: DataTransfer,
  onUnreadable: (path: string, error: unknown) => void = () => {},
): AsyncIterable<QueuedFile> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry?.()).filter((entry) => !!entry)
  // A file that a script has put into the DataTransfer has no entry.
  if (entries.length === 0) return filesIn(chosenFiles(files))
  return filesBelow(entries, onUnreadable)
}

async function* filesIn(files: QueuedFile[]) {
  yield* files
}

async function* filesBelow(
  entries: FileSystemEntry[],
  onUnreadable: (path: string, error: unknown) => void,
): AsyncGenerator<QueuedFile> {
  // A stack instead of recursion. Its end is the next entry.
  const waiting = entries.reverse()
  for (let entry = waiting.pop(); entry; entry = waiting.pop()) {
    const path = entry.fullPath.replace(/^\//, '')
    try {
      if (isFile(entry)) yield { file: await fileOf(entry), path }
      else for await (const batch of batchesOf(entry)) waiting.push(...batch)
    } catch (error) {
      onUnreadable(path, error)
    }
  }
}

/** A reader returns at most 100 entries at a time, and none at the end. */
async function* batchesOf(folder: FileSystemEntry): AsyncGenerator<FileSystemEntry[]> {
  const reader = (folder as FileSystemDirectoryEntry).createReader()
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    )
    if (batch.length === 0) return
    yield batch
  }
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject))
}
