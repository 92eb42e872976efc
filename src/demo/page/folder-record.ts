import type { QueuedFile } from '../../client/queue/index.ts'

/** What a folder consists of, when it was added. */
export interface FolderSummary {
  /** The names of the chosen folders. Empty for files without a folder. */
  names: string[]
  files: number
  bytes: number
}

/** What this browser keeps of one file. Without a `confirmKey` the file is stored. */
interface FileRecord {
  size: number
  modified: number
  confirmKey?: string
}

/**
 * Opens the record of the folder that a user uploads from this browser. It is in `localStorage`, where each
 * write is complete before a reload: a file whose response a reload loses is found by its confirm key.
 */
export function openFolderRecord(userId: string) {
  const prefix = `folder:${userId}`
  const keyOf = (path: string) => `${prefix}:${path}`

  function read<Value>(key: string): Value | undefined {
    const text = localStorage.getItem(key)
    return text === null ? undefined : JSON.parse(text)
  }

  /** When the browser has no space left, a reload sends the file again. */
  function write(key: string, value: object): void {
    try {
      localStorage.setItem(key, JSON.stringify(value))
    } catch {
      // The upload goes on without the record.
    }
  }

  function fileRecordOf({ file }: QueuedFile): FileRecord {
    return { size: file.size, modified: file instanceof File ? file.lastModified : 0 }
  }

  function allKeys(): string[] {
    const keys = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index))
    return keys.filter((key) => key?.startsWith(`${prefix}:`)) as string[]
  }

  return {
    /** The folder that is not complete, if there is one. */
    summary: () => read<FolderSummary>(prefix),

    /** How many files are stored, and the confirm keys of the others that have begun. */
    read() {
      const records = allKeys().flatMap((key) => read<FileRecord>(key) ?? [])
      const confirmKeys = records.flatMap(({ confirmKey }) => confirmKey ?? [])
      const stored = records.filter(({ confirmKey }) => confirmKey === undefined)
      return { confirmKeys, storedFiles: stored.length }
    },

    begin: (summary: FolderSummary) => write(prefix, summary),

    /** What is known of this file, unless it has changed since. */
    find(item: QueuedFile): 'stored' | { confirmKey: string } | undefined {
      const found = read<FileRecord>(keyOf(item.path))
      const { size, modified } = fileRecordOf(item)
      if (!found || found.size !== size || found.modified !== modified) return undefined
      const { confirmKey } = found
      return confirmKey === undefined ? 'stored' : { confirmKey }
    },

    began: (item: QueuedFile, confirmKey: string) =>
      write(keyOf(item.path), { ...fileRecordOf(item), confirmKey }),

    stored: (item: QueuedFile) => write(keyOf(item.path), fileRecordOf(item)),

    forget(): void {
      for (const key of [prefix, ...allKeys()]) localStorage.removeItem(key)
    },
  }
}
