import { UploadError } from './errors.ts'

/** The request headers for `metadata`. Values that are not valid in a header are percent-encoded. */
export function metadataHeaders(metadata: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [
      `x-smh-meta-${name}`,
      headerValue(name, value),
    ]),
  )
}

function headerValue(name: string, value: string): string {
  // HTTP strips leading and trailing spaces, so such values are encoded.
  if (/^[\x20-\x7e]*$/.test(value) && value.trim() === value) return value
  if (value.isWellFormed()) return encodeURIComponent(value)
  const errors = [{ field: `x-smh-meta-${name}`, message: 'is not well-formed Unicode' }]
  throw new UploadError('invalid_request', 'The metadata is not valid.', { errors })
}
