const IMAGE = { type: 'image', fileType: 'image' }
const VIDEO = { type: 'video', fileType: 'video' }
const AUDIO = { type: 'file', fileType: 'audio' }
const DOCUMENT = { type: 'file', fileType: 'document' }
const ARCHIVE = { type: 'file', fileType: 'archive' }

interface FileType {
  type: string
  fileType: string
  contentType: string
}

/** SMH does not publish its table. These extensions cover every kind of response (inferred). */
const BY_EXTENSION: Record<string, FileType> = {
  jpg: { ...IMAGE, contentType: 'image/jpeg' },
  jpeg: { ...IMAGE, contentType: 'image/jpeg' },
  png: { ...IMAGE, contentType: 'image/png' },
  gif: { ...IMAGE, contentType: 'image/gif' },
  webp: { ...IMAGE, contentType: 'image/webp' },
  heic: { ...IMAGE, contentType: 'image/heic' },
  mp4: { ...VIDEO, contentType: 'video/mp4' },
  mov: { ...VIDEO, contentType: 'video/quicktime' },
  webm: { ...VIDEO, contentType: 'video/webm' },
  mkv: { ...VIDEO, contentType: 'video/x-matroska' },
  mp3: { ...AUDIO, contentType: 'audio/mpeg' },
  wav: { ...AUDIO, contentType: 'audio/wav' },
  pdf: { ...DOCUMENT, contentType: 'application/pdf' },
  txt: { ...DOCUMENT, contentType: 'text/plain' },
  doc: { ...DOCUMENT, contentType: 'application/msword' },
  zip: { ...ARCHIVE, contentType: 'application/zip' },
}

const OTHER: FileType = {
  type: 'file',
  fileType: 'other',
  contentType: 'application/octet-stream',
}

/** The extension in lower case, without its dot. '' for a name without an extension. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : ''
}

/** The `type`, `fileType` and content type that SMH derives from a file name. */
export function fileTypeOf(name: string): FileType {
  return BY_EXTENSION[extensionOf(name)] ?? OTHER
}
