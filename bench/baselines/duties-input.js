// The rules for paths and metadata of the Worker with the gateway's duties.
import { Problem } from './problem.js'

const MAX_LEVELS = 32
const MAX_PATH_CHARACTERS = 1024

function invalid(detail) {
  return new Problem(400, 'invalid_request', detail)
}

/** The names of a path in NFC. Each name must be one that SMH accepts. */
export function parsePath(path) {
  if (path.length > 2 * MAX_PATH_CHARACTERS) throw invalid('The path is too long.')
  const composed = path.normalize('NFC')
  if (composed.length > MAX_PATH_CHARACTERS) throw invalid('The path is too long.')
  const names = composed.replace(/^\//, '').split('/')
  if (names.length > MAX_LEVELS - 2) throw invalid('The path has too many levels.')
  for (const name of names) if (!isName(name)) throw invalid('The path has an invalid name.')
  return names
}

function isName(name) {
  if (name === '' || name.length > 255 || !name.isWellFormed()) return false
  const plain = name.normalize('NFKC').replace(/%(?:25)*2e/gi, '.')
  if (/(?:^|[/\\])\.{1,2}(?:$|[/\\])/.test(plain)) return false
  if (/\p{Cc}/u.test(name) || /[\\/:*?"<>|]/.test(name)) return false
  if (/%(?:25)*(?:2f|5c|00)/i.test(name)) return false
  return !/^\s|\s$|\.$/u.test(name)
}

const PREFIX = 'x-smh-meta-'

/** The metadata headers of a request, checked. */
export function readMetadata(headers) {
  const metadata = {}
  let count = 0
  let bytes = 0
  for (const name in headers) {
    if (!name.startsWith(PREFIX)) continue
    const value = headers[name]
    count += 1
    bytes += name.length + value.length
    if (count > 20 || bytes > 2048)
      throw new Problem(431, 'metadata_too_large', 'Too much metadata.')
    if (
      !/^[a-z0-9][a-z0-9._-]*$/.test(name.slice(PREFIX.length)) ||
      !/^[\x20-\x7e]*$/.test(value)
    ) {
      throw invalid('A metadata header is invalid.')
    }
    metadata[name] = value
  }
  return metadata
}
