import type { ConflictStrategy } from '../config/parse.ts'

/** How an upload sends its bytes (docs/smh-protocol.md#4). */
type UploadMethod = 'multipart' | 'simple'

/*
 * The arguments of the SMH client. Two types are proofs: the compiler rejects a call to SMH for an upload
 * that neither the policy nor a confirm key permits.
 */

/** The user of an upload, and the space and folder of that user's files. */
export interface UploadScope {
  /** The id of the user, also SMH's `user_id`. */
  readonly userId: string
  readonly spaceId: string
  /** The folders of `UPLOAD_PATH_PREFIX` for this user. */
  readonly rootPath: readonly string[]
}

/** A valid request to begin an upload. */
export interface WantedUpload {
  path: string
  size: number
  method: UploadMethod
  conflictResolutionStrategy: ConflictStrategy
  trafficLimit?: number | undefined
  preferSameOrigin?: boolean | undefined
  beginningHash?: string | undefined
  fullHash?: string | undefined
  labels?: string[] | undefined
  category?: string | undefined
  localCreationTime?: string | undefined
  localModificationTime?: string | undefined
}

export declare const permitted: unique symbol

/** An upload that may begin. Only `permitUpload` in uploads/policy.ts creates one. */
export interface PermittedUpload {
  readonly [permitted]: true
  readonly scope: UploadScope
  /** From the root of the space, the root path included. */
  readonly path: readonly string[]
  /** Complete header names to values, ready to be forwarded. */
  readonly metadata: Readonly<Record<string, string>>
  readonly wanted: Readonly<Omit<WantedUpload, 'path'>>
}

/** The claims of a confirm key. SMH stores neither the declared size nor the expiry of the upload. */
export interface ConfirmKeyClaims {
  smhConfirmKey: string
  /** Bytes, as declared at begin. */
  size: number
  method: UploadMethod
  strategy: ConflictStrategy
  /** When the upload expires, whole seconds since the epoch. */
  endsAt: number
}

declare const owned: unique symbol

/**
 * An upload that belongs to the user of `scope`. Only verifying a confirm key creates one: see
 * uploads/confirm-key.ts.
 */
export interface OwnedUpload extends Readonly<ConfirmKeyClaims> {
  readonly [owned]: true
  readonly scope: UploadScope
}
