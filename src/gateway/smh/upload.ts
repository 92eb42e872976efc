import type { ConflictStrategy } from '../config/parse.ts'

/*
 * What the SMH client takes. Two of the types are proofs: the compiler allows no call to SMH for an
 * upload that neither the policy nor a confirm key permits.
 */

/** Whose files an upload belongs to, and where they live. */
export interface UploadScope {
  /** The one spelling of a user: SMH's `user_id`. */
  readonly userId: string
  readonly spaceId: string
  /** The folders of `UPLOAD_PATH_PREFIX` for this user. */
  readonly rootPath: readonly string[]
}

/** What a client asks for. Its shape is checked. */
export interface WantedUpload {
  path: string
  size: number
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

/** An upload that may begin. Only `permitUpload` in uploads/policy.ts makes one. */
export interface PermittedUpload {
  readonly [permitted]: true
  readonly scope: UploadScope
  /** From the root of the space, the root path included. */
  readonly path: readonly string[]
  /** Complete header names to values, ready to be forwarded. */
  readonly metadata: Readonly<Record<string, string>>
  readonly wanted: Readonly<Omit<WantedUpload, 'path'>>
}

/** What a confirm key says about its upload. SMH keeps neither the declared size nor the end. */
export interface ConfirmKeyClaims {
  smhConfirmKey: string
  /** Bytes, as declared at begin. */
  size: number
  strategy: ConflictStrategy
  /** The upload's own end, whole seconds since the epoch. */
  endsAt: number
}

declare const owned: unique symbol

/** An upload of the user of `scope`. Only a verified confirm key makes one: see uploads/confirm-key.ts. */
export interface OwnedUpload extends Readonly<ConfirmKeyClaims> {
  readonly [owned]: true
  readonly scope: UploadScope
}
