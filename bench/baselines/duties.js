// What the two same-duties servers share: everything of a begin except HTTP itself. Written for speed by hand,
// with the libraries that most back ends use. It imports nothing of the gateway.
import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { Agent, request } from 'undici'
import * as z from 'zod'
import { parsePath, readMetadata } from './duties-input.js'
import { Problem } from './problem.js'
import { settings } from './settings.js'

export const fixedHeaders = { 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' }

/** The client's request id if it is safe in a log, otherwise a new one. */
export function requestIdOf(headers) {
  const wanted = headers['x-request-id']
  return wanted && /^[\w\-=]{1,255}$/.test(wanted) ? wanted : crypto.randomUUID()
}

// --- Users: verified tokens are cached by the whole header.

const MAX_CACHED = 10_000
const keys = createRemoteJWKSet(new URL(settings.jwksUrl))
const cached = new Map()

/** Returns a user, or a promise of one when the token is not cached. */
export function userOf(authorization) {
  if (authorization === undefined) {
    throw new Problem(401, 'missing_token', 'A bearer token is required.', {
      'WWW-Authenticate': 'Bearer',
    })
  }
  const known = cached.get(authorization)
  return known && known.exp * 1000 > Date.now() ? known.user : verify(authorization)
}

async function verify(authorization) {
  const token = /^Bearer ([\w.-]+)$/i.exec(authorization)?.[1] ?? ''
  const { issuer, audience } = settings
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: ['ES256'],
      requiredClaims: ['exp', 'sub'],
    })
    const user = { id: payload.sub, rootPath: ['users', payload.sub] }
    if (cached.size >= MAX_CACHED) cached.delete(cached.keys().next().value)
    cached.set(authorization, { user, exp: payload.exp })
    return user
  } catch {
    throw new Problem(401, 'invalid_token', 'The bearer token is invalid.', {
      'WWW-Authenticate': 'Bearer error="invalid_token"',
    })
  }
}

// --- Limits: begins per minute and user, and concurrent requests.

const MINUTE_MS = 60_000
const doneAt = new Map()

/** The generic cell rate algorithm. */
export function limitRate({ id }) {
  const now = performance.now()
  const done = Math.max(now, doneAt.get(id) ?? 0) + MINUTE_MS / settings.rateLimitPerMinute
  const waitMs = done - now - MINUTE_MS
  if (waitMs > 0) {
    const headers = { 'Retry-After': String(Math.ceil(waitMs / 1000)) }
    throw new Problem(429, 'rate_limited', 'Too many begins.', headers)
  }
  if (doneAt.size >= MAX_CACHED) doneAt.delete(doneAt.keys().next().value)
  doneAt.set(id, done)
}

const MAX_IN_FLIGHT = 512
let inFlight = 0
const inFlightOf = new Map()

/** Takes a permit of the user. {@link releasePermit} returns it when the response is closed. */
export function takePermit({ id }) {
  const own = inFlightOf.get(id) ?? 0
  if (inFlight >= MAX_IN_FLIGHT || own >= MAX_IN_FLIGHT / 2) {
    throw new Problem(503, 'overloaded', 'Too many concurrent requests.', { 'Retry-After': '1' })
  }
  inFlight += 1
  inFlightOf.set(id, own + 1)
}

export function releasePermit({ id }) {
  inFlight -= 1
  const left = inFlightOf.get(id) - 1
  if (left === 0) inFlightOf.delete(id)
  else inFlightOf.set(id, left)
}

// --- SMH: the access token, the call, and its reply.

const SMH_TIMEOUT_MS = 10_000
const agent = new Agent({ keepAliveTimeout: 30_000 })
let held

/** Returns SMH's access token from memory, or a promise of the first one. */
function accessToken() {
  const now = performance.now()
  return held && now < held.endsAt ? held.token : mint(now)
}

async function mint(now) {
  const query = new URLSearchParams({
    library_id: settings.libraryId,
    library_secret: settings.librarySecret,
    grant: 'admin',
  })
  const reply = await request(`${settings.upstream}/api/v1/token?${query}`, { dispatcher: agent })
  const { accessToken: token, expiresIn } = await reply.body.json()
  held = { token, endsAt: now + expiresIn * 900 }
  return token
}

const taskReply = z.object({
  domain: z
    .string()
    .max(255)
    .regex(/^[\w.:-]+$/),
  path: z
    .string()
    .max(2048)
    .regex(/^\/[^\s?#\\]+$/),
  uploadId: z.string().regex(/^[\x21-\x7e]{1,512}$/),
  headers: z.record(z.string(), z.string().regex(/^[\x20-\x7e\t]*$/)),
  confirmKey: z.string().regex(/^[\x21-\x7e]{1,256}$/),
  expiration: z.iso.datetime({ offset: true }),
})

/** Begins an upload in SMH. Ends with the timeout, or when `signal` aborts. */
async function beginInSmh(user, path, wanted, metadata, stop) {
  const token = accessToken()
  const names = path.map(encodeURIComponent).join('/')
  let url =
    `${settings.upstream}/api/v1/file/${settings.libraryId}/-/${names}?multipart&filesize=${wanted.size}` +
    `&conflict_resolution_strategy=${wanted.conflictResolutionStrategy ?? 'rename'}` +
    `&user_id=${encodeURIComponent(user.id)}&access_token=${typeof token === 'string' ? token : await token}`
  if (wanted.trafficLimit) url += `&traffic_limit=${wanted.trafficLimit}`
  const timer = setTimeout(() => stop.abort(), SMH_TIMEOUT_MS)
  try {
    const reply = await request(url, {
      method: 'POST',
      dispatcher: agent,
      headers: metadata,
      signal: stop.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    if (reply.statusCode !== 201) throw new Error(`SMH responded with ${reply.statusCode}`)
    return taskReply.parse(await reply.body.json())
  } catch {
    throw new Problem(502, 'upstream_error', 'The media store did not complete the request.')
  } finally {
    clearTimeout(timer)
  }
}

// --- The confirm key: SMH's, its size and its end, signed for the user.

const LIFE_SECONDS = 7 * 24 * 60 * 60
const signingKey = createSecretKey(
  Buffer.from(hkdfSync('sha256', settings.librarySecret, '', 'bench confirm key', 32)),
)

function sign(user, smhConfirmKey, wanted) {
  const endsAt = Math.floor(Date.now() / 1000) + LIFE_SECONDS
  const encoded = Buffer.from(smhConfirmKey).toString('base64url')
  const fields = `1.${endsAt.toString(36)}.${wanted.size.toString(36)}.r.${encoded}`
  const covered = JSON.stringify([settings.issuer, settings.libraryId, user.id, fields])
  return `${fields}.${createHmac('sha256', signingKey).update(covered).digest('base64url')}`
}

/**
 * Begins an upload for a user: policy, SMH, confirm key, named fields.
 *
 * @param wanted the valid body
 * @param stop its abort ends the call to SMH
 */
export async function begin(user, wanted, headers, stop) {
  const path = [...user.rootPath, ...parsePath(wanted.path)]
  if (wanted.size > settings.maxBytes) throw new Problem(413, 'file_too_large', 'Too large.')
  const task = await beginInSmh(user, path, wanted, readMetadata(headers), stop)
  const confirmKey = sign(user, task.confirmKey, wanted)
  return {
    headers: {
      Location: `/v1/uploads/${confirmKey}`,
      'Upload-Expires': new Date(task.expiration).toUTCString(),
    },
    body: {
      domain: task.domain,
      path: task.path,
      uploadId: task.uploadId,
      headers: task.headers,
      confirmKey,
    },
  }
}
