import { createHmac, createSecretKey } from 'node:crypto'
import { settings } from './settings.js'

const key = createSecretKey(settings.confirmKeySecret)
const letters = { rename: 'r', ask: 'a', overwrite: 'o' }
const { jwt, smh, upload } = settings
const realm = [jwt.issuer, 'sub', smh.libraryId, smh.spaceId]

/** Signs SMH's confirm key for this user: `1.<end>.<size>.<strategy>.<SMH's confirm key>.<MAC>`. */
export function signConfirmKey(user, wanted, smhConfirmKey) {
  const endsAt = Math.floor(Date.now() / 1000) + upload.maxAgeSeconds
  const letter = letters[wanted.conflictResolutionStrategy]
  const encoded = Buffer.from(smhConfirmKey).toString('base64url')
  const fields = `1.${endsAt.toString(36)}.${wanted.size.toString(36)}.${letter}.${encoded}`
  const covered = JSON.stringify([...realm, user.id, fields])
  return `${fields}.${createHmac('sha256', key).update(covered).digest('base64url')}`
}
