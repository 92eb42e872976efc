import { createHash } from 'node:crypto'
import type { UploadScope } from '../smh/upload.ts'

const hashes = new WeakMap<UploadScope, string>()

/** Identifies the space and folder of a scope, without their names. */
export function scopeHash(scope: UploadScope): string {
  let hash = hashes.get(scope)
  if (hash === undefined) {
    const text = JSON.stringify([scope.spaceId, scope.rootPath])
    hash = createHash('sha256').update(text).digest('base64url').slice(0, 22)
    hashes.set(scope, hash)
  }
  return hash
}
