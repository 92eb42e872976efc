import { signPolicy, signRequest } from './cos-signature.ts'
import { fileTypeOf } from './file-types.ts'
import { type Credential, hex, isoTime, type State, type Task } from './state.ts'

function mintCredential(state: State, cosKey: string, ttlMs: number): Credential {
  // Signature times are whole seconds, so that the expiry in SMH equals the expiry in COS.
  const seconds = Math.floor(state.now() / 1000) + Math.floor(ttlMs / 1000)
  const credential = {
    secretId: `AKID${hex(16)}`,
    secretKey: hex(20),
    securityToken: hex(32),
    cosKey,
    notAfter: seconds * 1000,
  }
  state.credentials.set(credential.secretId, credential)
  return credential
}

function keyTimeOf(state: State, credential: Credential): string {
  return `${Math.floor(state.now() / 1000)};${credential.notAfter / 1000}`
}

/**
 * New COS credentials for a task. One signature fits every part, because it covers neither headers nor
 * parameters (docs/smh-protocol.md#5.2). Only multipart tasks have an `uploadId`.
 */
export function uploadTarget(state: State, task: Task) {
  const credential = mintCredential(state, task.cosKey, state.credentialTtlMs)
  const keyTime = keyTimeOf(state, credential)
  const request = { method: 'put', path: task.cosKey, query: [], headers: [] }
  return {
    domain: state.cosDomain,
    path: task.cosKey,
    ...(task.kind === 'multipart' && { uploadId: task.uploadId }),
    headers: {
      'Content-Type': 'application/octet-stream',
      Authorization: signRequest(credential.secretId, credential.secretKey, keyTime, request),
      'x-cos-security-token': credential.securityToken,
      // SMH counts bytes/s and COS bits/s. The ranges match after a conversion by 8 (inferred).
      ...(task.trafficLimit !== undefined && { 'x-cos-traffic-limit': task.trafficLimit * 8 }),
    },
    expiration: isoTime(credential.notAfter),
  }
}

/** The fields of a browser form that uploads a task's object (docs/smh-protocol.md#5.4). */
export function formTarget(state: State, task: Task) {
  const credential = mintCredential(state, task.cosKey, state.credentialTtlMs)
  const keyTime = keyTimeOf(state, credential)
  const key = task.cosKey.slice(1)
  const policy = JSON.stringify({
    expiration: isoTime(credential.notAfter),
    conditions: [
      { 'q-sign-algorithm': 'sha1' },
      { 'q-ak': credential.secretId },
      { 'q-sign-time': keyTime },
      { key },
    ],
  })
  return {
    domain: state.cosDomain,
    path: '/',
    form: {
      key,
      acl: 'default',
      'Content-Type': fileTypeOf(task.path.at(-1) ?? '').contentType,
      'x-cos-security-token': credential.securityToken,
      policy: Buffer.from(policy).toString('base64'),
      'q-sign-algorithm': 'sha1',
      'q-ak': credential.secretId,
      'q-key-time': keyTime,
      'q-signature': signPolicy(credential.secretKey, keyTime, policy),
    },
    expiration: isoTime(credential.notAfter),
  }
}

/** A signed URL that serves an object for `ttlMs` (docs/smh-protocol.md#6.2). */
export function downloadUrl(
  state: State,
  cosKey: string,
  ttlMs: number,
  disposition?: string,
): string {
  const credential = mintCredential(state, cosKey, ttlMs)
  const query: [string, string][] = [['x-cos-security-token', credential.securityToken]]
  if (disposition) query.push(['response-content-disposition', disposition])
  const { secretId, secretKey } = credential
  const keyTime = keyTimeOf(state, credential)
  const request = { method: 'get', path: cosKey, query, headers: [] }
  const signature = signRequest(secretId, secretKey, keyTime, request)
  return `${state.cosScheme}://${state.cosDomain}${cosKey}?${signature}&${new URLSearchParams(query)}`
}
