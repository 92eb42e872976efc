/* Made from openapi.json by npm run openapi; not edited by hand. */

/**
 * Part n goes to `PUT https://{domain}{path}?uploadId={uploadId}&partNumber={n}` with `headers`. Number the parts 1..n; each but the last has at least 1 MiB. The whole file of a simple upload goes to `PUT https://{domain}{path}`.
 */
export interface UploadCredentials {
  domain: string
  path: string
  /**
   * Missing for a simple upload.
   */
  uploadId?: string
  /**
   * Send these headers unchanged with every request to COS.
   */
  headers: {
    [k: string]: string
  }
  /**
   * Identifies the upload to the gateway. At most 512 characters, URL-safe.
   */
  confirmKey: string
}

/**
 * RFC 9457 problem details. Distinguish errors by `code`.
 */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  /**
   * Machine-readable error code. Known values: invalid_request, missing_token, invalid_token, insufficient_scope, not_permitted, upload_not_found, parent_not_found, not_found, method_not_allowed, name_conflict, upload_complete, not_renewable, request_in_progress, request_too_large, file_too_large, unsupported_media_type, upload_incomplete, size_mismatch, checksum_mismatch, idempotency_key_reused, rate_limited, too_many_open_uploads, metadata_too_large, content_refused, internal_error, upstream_error, overloaded, upstream_unavailable, upstream_timeout, quota_exceeded. Later versions may add codes: handle an unknown one by its `status`.
   */
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
    | 'not_renewable'
    | 'request_in_progress'
    | 'request_too_large'
    | 'file_too_large'
    | 'unsupported_media_type'
    | 'upload_incomplete'
    | 'size_mismatch'
    | 'checksum_mismatch'
    | 'idempotency_key_reused'
    | 'rate_limited'
    | 'too_many_open_uploads'
    | 'metadata_too_large'
    | 'content_refused'
    | 'internal_error'
    | 'upstream_error'
    | 'overloaded'
    | 'upstream_unavailable'
    | 'upstream_timeout'
    | 'quota_exceeded'
    | (string & {})
  requestId: string
  errors?: FieldError[]
  /**
   * Numbers of the missing parts. Send them before you complete.
   */
  missingParts?: number[]
}

/**
 * An invalid field of the request.
 */
export interface FieldError {
  field: string
  message: string
}

export interface BeginUpload {
  /**
   * Relative to the user's folder, separated by slashes; the last segment is the file name. At most 32 levels, the user's folder included. A segment has at most 255 characters, is not `.` or `..`, does not end with a dot and does not start or end with a space.
   */
  path: string
  /**
   * Bytes. Checked again at completion. 0 only with the method `simple`.
   */
  size: number
  /**
   * What happens when the name is taken. Default: `rename`.
   */
  conflictResolutionStrategy?: 'ask' | 'rename' | 'overwrite'
  /**
   * Bytes per second for each connection to COS.
   */
  trafficLimit?: number
  /**
   * When the file replaces another, prefer the COS domain of that file.
   */
  preferSameOrigin?: boolean
  /**
   * Stored with the file, like headers named `x-smh-meta-<name>`: at most 20 entries in both places together, with at most 2 KiB of header names and values. Names have the characters `a-z 0-9 . _ -`. Values are printable ASCII; percent-encode anything else (UTF-8). A name in both places is an error.
   */
  metadata?: {
    [k: string]: string
  }
  /**
   * Stored with the file.
   *
   * @maxItems 20
   */
  labels?: string[]
  /**
   * Stored with the file. At most 16 bytes of UTF-8.
   */
  category?: string
  localCreationTime?: string
  localModificationTime?: string
  /**
   * How the bytes are sent. `multipart`: in parts. `simple`: in one PUT, for small files and empty ones; such an upload can be neither renewed nor resumed. Default: `multipart`.
   */
  method?: 'multipart' | 'simple'
}

export interface InstantUploadResult {
  /**
   * - `stored`: the file is stored, see `file`. There is nothing to send and nothing to complete.
   * - `full_hash_required`: SMH may have the file. Repeat the request with `fullHash` as well. No upload exists yet.
   * - `upload_required`: SMH does not have the file. Continue with `credentials` as after begin.
   */
  outcome: 'stored' | 'full_hash_required' | 'upload_required'
  file?: StoredFile
  credentials?: UploadCredentials
}

export interface StoredFile {
  /**
   * Relative to the user's folder, the file name last; it may differ from the requested one. Empty when the folder was moved away in the meantime.
   */
  path: string[]
  name: string
  type: string
  /**
   * Bytes.
   */
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
   * Relative to the user's folder, separated by slashes; the last segment is the file name. At most 32 levels, the user's folder included. A segment has at most 255 characters, is not `.` or `..`, does not end with a dot and does not start or end with a space.
   */
  path: string
  /**
   * Bytes. Checked again at completion.
   */
  size: number
  /**
   * What happens when the name is taken. Default: `rename`.
   */
  conflictResolutionStrategy?: 'ask' | 'rename' | 'overwrite'
  /**
   * Bytes per second for each connection to COS.
   */
  trafficLimit?: number
  /**
   * When the file replaces another, prefer the COS domain of that file.
   */
  preferSameOrigin?: boolean
  /**
   * Stored with the file, like headers named `x-smh-meta-<name>`: at most 20 entries in both places together, with at most 2 KiB of header names and values. Names have the characters `a-z 0-9 . _ -`. Values are printable ASCII; percent-encode anything else (UTF-8). A name in both places is an error.
   */
  metadata?: {
    [k: string]: string
  }
  /**
   * Stored with the file.
   *
   * @maxItems 20
   */
  labels?: string[]
  /**
   * Stored with the file. At most 16 bytes of UTF-8.
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

export interface OpenUploads {
  /**
   * Newest first.
   */
  uploads: OpenUpload[]
}

export interface OpenUpload {
  confirmKey: string
  /**
   * Relative to the user's folder, as requested at begin.
   */
  path: string[]
  /**
   * Bytes, as declared at begin.
   */
  size: number
  method: 'multipart' | 'simple'
  beganAt: string
  /**
   * The upload must be complete before this time.
   */
  endsAt: string
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
  method: 'multipart' | 'simple'
  uploadId?: string
  /**
   * The parts that COS has received.
   */
  parts?: ReceivedPart[]
}

export interface ReceivedPart {
  partNumber: number
  /**
   * Bytes.
   */
  size: number
  eTag: string
  lastModified: string
}

export interface RenewUpload {
  /**
   * Bytes per second for each connection to COS.
   */
  trafficLimit?: number
}

export interface CompleteUpload {
  /**
   * CRC-64/XZ of the whole file, unsigned decimal. SMH compares it with the received data.
   */
  crc64?: string
  /**
   * Stored with the file.
   *
   * @maxItems 20
   */
  labels?: string[]
  /**
   * Stored with the file. At most 16 bytes of UTF-8.
   */
  category?: string
  localCreationTime?: string
  localModificationTime?: string
}

export interface HealthStatus {
  status: string
}
