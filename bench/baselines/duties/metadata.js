import { invalidRequest, notPermitted, Problem } from './problem.js'

const MAX_METADATA_HEADERS = 20
const MAX_METADATA_BYTES = 2048
const PREFIX = 'x-smh-meta-'

/**
 * Reads the metadata headers. Undefined without any.
 *
 * @param headers names in lower case
 * @param keys the permitted keys, without `x-smh-meta-`. Default: all
 * @throws Problem `metadata_too_large`, `invalid_request`, `not_permitted`
 */
export function metadataOf(headers, keys) {
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
    if (keys && !keys.has(key)) {
      throw notPermitted('One of these metadata keys may not be used.', 'metadata_key')
    }
    metadata ??= {}
    metadata[name] = value
  }
  return metadata
}
