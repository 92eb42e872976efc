/* Made from openapi.json by npm run openapi; not edited by hand. */

/**
 * Part n goes to `PUT https://{domain}{path}?uploadId={uploadId}&partNumber={n}` with `headers`. Number the parts 1..n; each but the last has at least 1 MiB.
 */
export interface Credentials {
  domain: string
  path: string
  uploadId: string
  /**
   * To be sent with every part exactly as they are.
   */
  headers: {
    [k: string]: string
  }
  /**
   * Names this upload to the gateway. At most 512 characters, safe in a URL.
   */
  confirmKey: string
}

/**
 * RFC 9457 problem details. Decide by `code`.
 */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  code:
    | 'invalid_request'
    | 'missing_token'
    | 'invalid_token'
    | 'insufficient_scope'
    | 'not_permitted'
    | 'upload_not_found'
    | 'parent_not_found'
    | 'not_found'
    | 'method_not_allowed'
    | 'name_conflict'
    | 'upload_complete'
    | 'request_too_large'
    | 'file_too_large'
    | 'unsupported_media_type'
    | 'upload_incomplete'
    | 'size_mismatch'
    | 'checksum_mismatch'
    | 'rate_limited'
    | 'metadata_too_large'
    | 'content_refused'
    | 'internal_error'
    | 'upstream_error'
    | 'overloaded'
    | 'upstream_unavailable'
    | 'upstream_timeout'
    | 'quota_exceeded'
  requestId: string
  errors?: {
    field: string
    message: string
  }[]
  /**
   * Part numbers to send (again) before completing.
   */
  missingParts?: number[]
}

export interface BeginUpload {
  /**
   * Relative to the user's folder, separated by slashes; the last segment is the file name.
   */
  path: string
  /**
   * Bytes. Checked again at completion.
   */
  size: number
  /**
   * What happens when the name is taken.
   */
  conflictResolutionStrategy?: 'ask' | 'rename' | 'overwrite'
  /**
   * Bytes a second for each connection to COS.
   */
  trafficLimit?: number
  /**
   * Where a file of this name is there already, COS is asked to take this one at the same domain.
   */
  preferSameOrigin?: boolean
  /**
   * @maxItems 20
   */
  labels?: string[]
  /**
   * At most 16 bytes of UTF-8.
   */
  category?: string
  localCreationTime?: string
  localModificationTime?: string
}

export interface InstantUploadResult {
  /**
   * - `stored`: the file is stored, see `file`. There is nothing to send and nothing to complete.
   * - `full_hash_required`: SMH may have the file. Repeat the request with `fullHash` as well. No upload exists yet.
   * - `upload_required`: SMH does not have the file. Go on with `credentials` as after begin.
   */
  outcome: 'stored' | 'full_hash_required' | 'upload_required'
  file?: StoredFile
  credentials?: Credentials
}

export interface StoredFile {
  /**
   * Relative to the user's folder, the file name last; it may differ from the wanted one. Empty when the folder has been moved away meanwhile.
   */
  path: string[]
  name: string
  type: string
  size: number
  contentType: string
  creationTime: string
  modificationTime: string
  eTag: string
  /**
   * CRC-64/XZ of the whole file, unsigned decimal.
   */
  crc64: string
  metaData?: {
    [k: string]: string
  }
  isOverwritten?: boolean
  previewByDoc?: boolean
  previewByCI?: boolean
  previewAsIcon?: boolean
  fileType?: string
}

export interface InstantUpload {
  /**
   * Relative to the user's folder, separated by slashes; the last segment is the file name.
   */
  path: string
  /**
   * Bytes. Checked again at completion.
   */
  size: number
  /**
   * What happens when the name is taken.
   */
  conflictResolutionStrategy?: 'ask' | 'rename' | 'overwrite'
  /**
   * Bytes a second for each connection to COS.
   */
  trafficLimit?: number
  /**
   * Where a file of this name is there already, COS is asked to take this one at the same domain.
   */
  preferSameOrigin?: boolean
  /**
   * @maxItems 20
   */
  labels?: string[]
  /**
   * At most 16 bytes of UTF-8.
   */
  category?: string
  localCreationTime?: string
  localModificationTime?: string
  /**
   * SHA-256 of the first MiB, in lower-case hex.
   */
  beginningHash: string
  /**
   * Chained SHA-256 of the whole file: h(0) = SHA-256(first MiB), h(i) = SHA-256(raw h(i-1), next MiB).
   */
  fullHash?: string
}

export interface UploadStatus {
  /**
   * Whether the file is stored.
   */
  confirmed: boolean
  /**
   * Relative to the user's folder; null when its folder is gone.
   */
  path: string[] | null
  /**
   * Bytes, as declared at begin.
   */
  size: number
  uploadId?: string
  /**
   * The parts that have arrived.
   */
  parts?: {
    partNumber: number
    size: number
    eTag: string
    lastModified: string
  }[]
}

export interface RenewUpload {
  /**
   * Bytes a second for each connection to COS.
   */
  trafficLimit?: number
}

export interface CompleteUpload {
  /**
   * CRC-64/XZ of the whole file. SMH compares it with what has arrived.
   */
  crc64?: string
  /**
   * @maxItems 20
   */
  labels?: string[]
  /**
   * At most 16 bytes of UTF-8.
   */
  category?: string
  localCreationTime?: string
  localModificationTime?: string
}
