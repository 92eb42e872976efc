// The same duties as the gateway for a begin, on bare Hono. It imports nothing of the gateway.
import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto'
import { Hono } from 'hono'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as z from 'zod'
import { metadataOf } from '../baselines/duties/metadata.js'
import { namesOf } from '../baselines/duties/names.js'
import { Problem, problemBody, toProblem } from '../baselines/duties/problem.js'

const MAX_BODY_BYTES = 64 * 1024
const BODY_TIMEOUT_MS = 30_000
const SMH_TIMEOUT_MS = 10_000
const LIFE_SECONDS = 7 * 24 * 60 * 60
const MAX_BYTES = 5_368_709_120
const MAX_CACHED = 10_000
const CACHED_MS = 60_000
const MAX_IN_FLIGHT = 512

const text = z.string().min(1).max(64)
const time = z.iso.datetime({ offset: true }).max(35)
const wantedUpload = z.strictObject({
  path: z.string(),
  size: z.int().min(1),
  conflictResolutionStrategy: z.enum(['ask', 'rename', 'overwrite']).optional(),
  trafficLimit: z.int().min(102_400).max(104_857_600).optional(),
  preferSameOrigin: z.boolean().optional(),
  labels: z.array(text).max(20).optional(),
  category: text.optional(),
  localCreationTime: time.optional(),
  localModificationTime: time.optional(),
})

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

const utf8 = new TextDecoder('utf-8', { fatal: true })
const cached = new Map()
const inFlightOf = new Map()
let inFlight = 0
let keys
let signingKey
let held

async function userOf(env, authorization) {
  const challenge = (error) => ({ 'WWW-Authenticate': `Bearer${error}` })
  if (!authorization) {
    throw new Problem(401, 'missing_token', 'A bearer token is required.', {
      headers: challenge(''),
    })
  }
  const known = cached.get(authorization)
  if (known && known.endsAt > Date.now()) return known.user
  keys ??= createRemoteJWKSet(new URL(env.JWT_JWKS_URL))
  const token = /^Bearer ([\w.-]+)$/i.exec(authorization)?.[1] ?? ''
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
      algorithms: ['ES256'],
      requiredClaims: ['exp', 'sub'],
    })
    const user = { id: payload.sub, rootPath: ['users', payload.sub] }
    if (cached.size >= MAX_CACHED) cached.delete(cached.keys().next().value)
    const endsAt = Math.min(payload.exp * 1000, Date.now() + CACHED_MS)
    cached.set(authorization, { user, endsAt })
    return user
  } catch {
    const headers = challenge(' error="invalid_token"')
    throw new Problem(401, 'invalid_token', 'The bearer token is invalid.', { headers })
  }
}

function takePermit({ id }) {
  const own = inFlightOf.get(id) ?? 0
  if (inFlight >= MAX_IN_FLIGHT || own >= MAX_IN_FLIGHT / 2) {
    throw new Problem(503, 'overloaded', 'Too many concurrent requests.', {
      headers: { 'Retry-After': '1' },
    })
  }
  inFlight += 1
  inFlightOf.set(id, own + 1)
}

function releasePermit({ id }) {
  inFlight -= 1
  const left = inFlightOf.get(id) - 1
  if (left === 0) inFlightOf.delete(id)
  else inFlightOf.set(id, left)
}

async function readBody(request) {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new Problem(415, 'unsupported_media_type', 'Send JSON.')
  }
  if (Number(request.headers.get('content-length') ?? Number.POSITIVE_INFINITY) > MAX_BODY_BYTES) {
    throw new Problem(413, 'request_too_large', 'The body is too large.')
  }
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Problem(400, 'invalid_request', 'The body did not arrive.'))
    }, BODY_TIMEOUT_MS)
  })
  let value
  try {
    value = JSON.parse(utf8.decode(await Promise.race([request.arrayBuffer(), late])))
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem(400, 'invalid_request', 'The body is not valid JSON.')
  } finally {
    clearTimeout(timer)
  }
  const parsed = wantedUpload.safeParse(value)
  if (!parsed.success) throw new Problem(400, 'invalid_request', 'The request is invalid.')
  return parsed.data
}

async function accessToken(env) {
  const now = Date.now()
  if (held && now < held.endsAt) return held.token
  const query = new URLSearchParams({
    library_id: env.SMH_LIBRARY_ID,
    library_secret: env.SMH_LIBRARY_SECRET,
    grant: 'admin',
  })
  const reply = await fetch(`${env.SMH_ENDPOINT}/api/v1/token?${query}`)
  const { accessToken: token, expiresIn } = await reply.json()
  held = { token, endsAt: now + expiresIn * 900 }
  return token
}

async function beginInSmh(env, user, path, wanted, metadata, signal) {
  const names = path.map(encodeURIComponent).join('/')
  let url =
    `${env.SMH_ENDPOINT}/api/v1/file/${env.SMH_LIBRARY_ID}/-/${names}?multipart&filesize=${wanted.size}` +
    `&conflict_resolution_strategy=${wanted.conflictResolutionStrategy ?? 'rename'}` +
    `&user_id=${encodeURIComponent(user.id)}&access_token=${await accessToken(env)}`
  if (wanted.trafficLimit) url += `&traffic_limit=${wanted.trafficLimit}`
  try {
    const reply = await fetch(url, {
      method: 'POST',
      headers: metadata,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(SMH_TIMEOUT_MS)]),
    })
    if (reply.status !== 201) throw new Error(`SMH responded with ${reply.status}`)
    return taskReply.parse(await reply.json())
  } catch {
    throw new Problem(502, 'upstream_error', 'The media store did not complete the request.')
  }
}

function sign(env, user, smhConfirmKey, wanted) {
  signingKey ??= createSecretKey(
    Buffer.from(hkdfSync('sha256', env.SMH_LIBRARY_SECRET, '', 'bench confirm key', 32)),
  )
  const endsAt = Math.floor(Date.now() / 1000) + LIFE_SECONDS
  const encoded = Buffer.from(smhConfirmKey).toString('base64url')
  const fields = `1.${endsAt.toString(36)}.${wanted.size.toString(36)}.r.${encoded}`
  const covered = JSON.stringify([env.JWT_ISSUER, env.SMH_LIBRARY_ID, user.id, fields])
  return `${fields}.${createHmac('sha256', signingKey).update(covered).digest('base64url')}`
}

const app = new Hono()

app.post('/v1/uploads', async (c) => {
  const startedAt = performance.now()
  const wantedId = c.req.header('x-request-id')
  const requestId = wantedId && /^[\w\-=]{1,255}$/.test(wantedId) ? wantedId : crypto.randomUUID()
  const headers = {
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    Date: new Date().toUTCString(),
  }
  let status = 201
  let code
  let response
  try {
    const { env } = c
    const user = await userOf(env, c.req.header('authorization'))
    const limited = await env.BEGIN_RATE_LIMIT?.limit({ key: user.id })
    if (limited?.success === false) {
      throw new Problem(429, 'rate_limited', 'Too many begins.', {
        headers: { 'Retry-After': '60' },
      })
    }
    const wanted = await readBody(c.req.raw)
    const path = [...user.rootPath, ...namesOf(wanted.path)]
    if (wanted.size > MAX_BYTES) throw new Problem(413, 'file_too_large', 'Too large.')
    const metadata = metadataOf(Object.fromEntries(c.req.raw.headers))
    takePermit(user)
    let task
    try {
      task = await beginInSmh(env, user, path, wanted, metadata, c.req.raw.signal)
    } finally {
      releasePermit(user)
    }
    const confirmKey = sign(env, user, task.confirmKey, wanted)
    response = c.json(
      {
        domain: task.domain,
        path: task.path,
        uploadId: task.uploadId,
        headers: task.headers,
        confirmKey,
      },
      201,
      {
        ...headers,
        Location: `/v1/uploads/${confirmKey}`,
        'Upload-Expires': new Date(task.expiration).toUTCString(),
      },
    )
  } catch (error) {
    const problem = toProblem(error)
    status = problem.status
    code = problem.code
    response = new Response(JSON.stringify(problemBody(problem, requestId)), {
      status,
      headers: { ...headers, ...problem.headers, 'Content-Type': 'application/problem+json' },
    })
  }
  const durationMs = Math.round((performance.now() - startedAt) * 10) / 10
  const time = new Date().toISOString()
  const line = { level: 'info', time, event: 'request', requestId, operation: 'beginUpload' }
  console.log(JSON.stringify({ ...line, method: 'POST', status, durationMs, code }))
  return response
})

export default app
