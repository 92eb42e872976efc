import { limitOf, UploadError, type UploadErrorCode } from './errors.ts'
import type { UploadState } from './types.ts'

/** English messages for states and errors. `{path}`, `{seconds}` and `{size}` are placeholders. */
const english = {
  preparing: 'Preparing the upload.',
  uploading: 'Uploading.',
  waiting_network: 'The connection was lost. The upload continues when it is restored.',
  waiting_rate_limit: 'Too many uploads at once. The upload continues in {seconds} s.',
  waiting_server_busy: 'The server is busy. The upload continues in {seconds} s.',
  waiting_credentials: 'Renewing the permission to upload.',
  paused: 'Paused.',
  completing: 'The file was sent. The server is checking it.',
  stored: 'Stored as {path}.',
  aborted: 'The upload was cancelled.',

  network: 'The server cannot be reached. Check the connection and try again.',
  blocked: 'This browser or network blocks the upload. Turn off content blockers, or ask for help.',
  token: 'Sign in again, then try again.',
  source_changed: 'The file has changed or cannot be read. Choose it again.',
  file_too_large: 'The file is too large.',
  file_too_large_limit: 'The file is too large: at most {size}.',
  invalid_name:
    'A name can have at most 255 characters and none of \\ / : * ? " < > |. Rename the file.',
  name_conflict: 'A file with this name already exists.',
  not_permitted: 'This upload is not allowed here.',
  type_not_permitted: 'Files of this type are not allowed here.',
  quota_exceeded: 'There is not enough space left for this file.',
  content_refused: 'This content cannot be stored.',
  upload_not_found: 'This upload has ended. Start it again.',
  too_many_open_uploads:
    'You have too many unfinished uploads. Resume or cancel some of them, then try again.',
  checksum_mismatch: 'The file was damaged during the upload. Upload it again.',
  busy: 'The server is busy. Try again later.',
  other: 'The upload failed. Try again, or ask for help.',
}

/** The keys of all messages. */
export type UploadMessageKey = keyof typeof english

/** Messages of an app that replace the English ones. */
export type UploadMessages = { readonly [sentence in UploadMessageKey]?: string }

/** Codes that share a message. A code without a message has `other`. */
const keyOf: { readonly [code in UploadErrorCode]?: UploadMessageKey } = {
  missing_token: 'token',
  invalid_token: 'token',
  insufficient_scope: 'not_permitted',
  parent_not_found: 'not_permitted',
  size_mismatch: 'source_changed',
  upload_incomplete: 'checksum_mismatch',
  rate_limited: 'busy',
  request_in_progress: 'busy',
  overloaded: 'busy',
  upstream_unavailable: 'busy',
  upstream_timeout: 'busy',
}

/**
 * Describes the state of an upload, or why it failed, in a sentence for users.
 *
 * @param what a state, or the error that `done` rejected with
 * @param messages replace the English messages, for example for another language
 */
export function describeUpload(what: UploadState | Error, messages: UploadMessages = {}): string {
  const say = (key: UploadMessageKey, details: Record<string, string> = {}) =>
    (messages[key] ?? english[key]).replace(/\{(\w+)\}/g, (_, name) => details[name] ?? '')
  if (what instanceof Error) return say(...messageFor(what))
  switch (what.name) {
    case 'failed':
      return what.error instanceof Error ? describeUpload(what.error, messages) : say('other')
    case 'stored':
      return say('stored', { path: what.file.path.join('/') })
    case 'waiting': {
      const left = Math.ceil(((what.retryAt ?? 0) - Date.now()) / 1000)
      return say(`waiting_${what.reason}`, { seconds: String(Math.max(1, left)) })
    }
    default:
      return say(what.name)
  }
}

function messageFor(error: Error): [UploadMessageKey, Record<string, string>?] {
  if (!(error instanceof UploadError)) return ['other']
  const { code, message, errors } = error
  const limit = limitOf(error)
  if (code === 'file_too_large' && limit !== undefined)
    return ['file_too_large_limit', { size: fileSize(limit) }]
  if (code === 'not_permitted' && message.includes('extension')) return ['type_not_permitted']
  if (errors?.some(({ field }) => field === 'path')) return ['invalid_name']
  if (Object.hasOwn(keyOf, code)) return [keyOf[code] ?? 'other']
  // A newer gateway may send unknown codes.
  return [Object.hasOwn(english, code) ? (code as UploadMessageKey) : 'other']
}

/**
 * Formats a number of bytes, such as `12.5 MB`. 1 MB is 1024 × 1024 bytes, as in Windows Explorer and
 * Uppy's Dashboard. The number is rounded down, so that a formatted limit never exceeds the limit.
 */
export function fileSize(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log2(Math.max(1, bytes)) / 10), units.length - 1)
  if (power === 0) return bytes === 1 ? '1 byte' : `${Math.floor(bytes)} bytes`
  return `${Math.floor((bytes / 1024 ** power) * 10) / 10} ${units[power]}`
}
