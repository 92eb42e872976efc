import { invalidRequest, Problem } from './problem.js'
import { settings } from './settings.js'

const MAX_METADATA_HEADERS = 20
const MAX_METADATA_BYTES = 2048
const PREFIX = 'x-smh-meta-'

const { maxBytes, extensions, strategies, metaKeys, trafficLimit } = settings.upload

/**
 * Checks an upload against the rules of the operator.
 *
 * @param fileName the last name of the path
 * @throws Problem `file_too_large`, `not_permitted`
 */
export function permit(wanted, fileName) {
  if (wanted.size > maxBytes) {
    throw new Problem(413, 'file_too_large', `A file may have at most ${maxBytes} bytes.`)
  }
  if (extensions && !hasExtension(fileName)) {
    throw notPermitted('Files with this extension may not be uploaded.', 'extension')
  }
  if (!strategies.has(wanted.conflictResolutionStrategy)) {
    throw notPermitted('This conflictResolutionStrategy may not be used.', 'strategy')
  }
}

function hasExtension(fileName) {
  const dot = fileName.lastIndexOf('.')
  return dot > 0 && extensions.has(fileName.slice(dot + 1).toLowerCase())
}

/** The lower of the user's limit and the operator's. Undefined if there is neither. */
export function permittedSpeed(wanted) {
  if (wanted === undefined || trafficLimit === undefined) return wanted ?? trafficLimit
  return Math.min(wanted, trafficLimit)
}

/**
 * Reads the metadata headers. Undefined without any.
 *
 * @param headers those of Node, names in lower case
 * @throws Problem `metadata_too_large`, `invalid_request`, `not_permitted`
 */
export function metadataOf(headers) {
  let metadata
  let count = 0
  let bytes = 0
  for (const name in headers) {
    if (!name.startsWith(PREFIX)) continue
    const value = headers[name]
    count += 1
    bytes += name.length + value.length
    if (count > MAX_METADATA_HEADERS || bytes > MAX_METADATA_BYTES) {
      throw new Problem(431, 'metadata_too_large', 'The metadata is too large.')
    }
    const key = name.slice(PREFIX.length)
    if (!/^[a-z0-9][a-z0-9._-]*$/.test(key)) {
      throw invalidRequest({ field: `${PREFIX}*`, message: 'has an invalid name' })
    }
    if (!/^[\x20-\x7e]*$/.test(value)) {
      throw invalidRequest({ field: name, message: 'is not printable ASCII' })
    }
    if (metaKeys && !metaKeys.has(key)) {
      throw notPermitted('One of these metadata keys may not be used.', 'metadata_key')
    }
    metadata ??= {}
    metadata[name] = value
  }
  return metadata
}

function notPermitted(detail, reason) {
  return new Problem(403, 'not_permitted', detail, { reason })
}
