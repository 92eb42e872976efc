import * as z from 'zod'
import { send } from './http-call.js'
import { recordCall } from './observe.js'
import { permittedSpeed } from './policy.js'
import { Problem } from './problem.js'
import { settings, upstreamTimeoutMs } from './settings.js'

const { libraryId, librarySecret, spaceId, tokenSeconds } = settings.smh
/** A token is minted again when less than this is left, milliseconds. */
const LEAST_LEFT_MS = 60_000
const MAX_REPLY_CHARACTERS = 64 * 1024

const tokenReply = z.object({
  accessToken: z.string().regex(/^[\x21-\x7e]{1,4096}$/),
  expiresIn: z.number().positive(),
})

/** `host` or `host:port`. */
const domain = /^(?:[\w-]{1,63}(?:\.[\w-]{1,63})*|\[[0-9A-Fa-f:]{2,39}\])(?::\d{1,5})?$/
const fieldName = /^[\w!#$%&'*+.^`|~-]+$/
const fieldValue = /^[\x20-\x7e\t]*$/
const MAX_HEADERS = 64
const MAX_HEADER_CHARACTERS = 16 * 1024

/** Read in one pass: a record of zod costs more than all other fields. */
const signedHeaders = z.unknown().transform((value, context) => {
  const headers = readHeaders(value)
  if (headers) return headers
  context.addIssue({ code: 'custom' })
  return z.NEVER
})

function readHeaders(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const headers = {}
  let count = 0
  let characters = 0
  for (const name of Object.keys(value)) {
    const text = typeof value[name] === 'number' ? String(value[name]) : value[name]
    if (typeof text !== 'string' || !fieldName.test(name) || !fieldValue.test(text))
      return undefined
    count += 1
    characters += name.length + text.length
    if (count > MAX_HEADERS || characters > MAX_HEADER_CHARACTERS) return undefined
    if (!/^(host|content-length)$/i.test(name)) headers[name] = text
  }
  return headers
}

const taskReply = z.object({
  domain: z
    .string()
    .max(255)
    .regex(domain)
    .refine((host) => Number(/:(\d+)$/.exec(host)?.[1] ?? 443) <= 65_535),
  path: z
    .string()
    .min(1)
    .max(2048)
    .transform((path) => (path.startsWith('/') ? path : `/${path}`))
    .refine((path) => /^[^\s\p{Cc}?#\\]+$/u.test(path) && path.isWellFormed())
    .refine((path) => !/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path)),
  uploadId: z.string().regex(/^[\x21-\x7e]{1,512}$/),
  headers: signedHeaders,
  confirmKey: z.string().regex(/^(?!\.+$)[\x21-\x7e]{1,256}$/),
  expiration: z.iso
    .datetime({ offset: true })
    .max(64)
    .refine((time) => Date.parse(time) >= 0 && Date.parse(time) < 253_402_300_800_000),
})

const errorReply = z.object({ code: z.string().regex(/^\w{1,64}$/) })

/** The token that serves all users, or the promise of one that is being minted. */
let token
let tokenEndsAt = 0

function accessToken() {
  if (token !== undefined && (token instanceof Promise || Date.now() < tokenEndsAt)) return token
  token = mint().catch((error) => {
    token = undefined
    throw error
  })
  return token
}

async function mint() {
  const query = new URLSearchParams({
    library_id: libraryId,
    library_secret: librarySecret,
    period: tokenSeconds,
    grant: 'admin',
  })
  const request = { method: 'GET', path: `/api/v1/token?${query}`, timeoutMs: upstreamTimeoutMs }
  const { accessToken, expiresIn } = read(await call('mint-token', request), tokenReply)
  tokenEndsAt = Date.now() + expiresIn * 1000 - LEAST_LEFT_MS
  token = accessToken
  return accessToken
}

const folderOf = `/api/v1/file/${encodeURIComponent(libraryId)}/${encodeURIComponent(spaceId)}/users`

/**
 * Begins an upload in SMH.
 *
 * @param deadline on the clock of `performance.now()`
 * @throws Problem
 */
export async function beginInSmh(user, names, wanted, metadata, deadline, disconnect) {
  const minted = accessToken()
  const usedToken = minted instanceof Promise ? await minted : minted
  let path = `${folderOf}/${encodeURIComponent(user.folder)}`
  for (const name of names) path += `/${encodeURIComponent(name)}`
  path += `?multipart&filesize=${wanted.size}&conflict_resolution_strategy=${wanted.conflictResolutionStrategy}`
  const speed = permittedSpeed(wanted.trafficLimit)
  if (speed !== undefined) path += `&traffic_limit=${speed}`
  if (wanted.preferSameOrigin !== undefined)
    path += `&prefer_same_origin=${wanted.preferSameOrigin}`
  path += `&user_id=${encodeURIComponent(user.id)}&access_token=${encodeURIComponent(usedToken)}`
  const body = bodyOf(wanted)
  const response = await call('begin', {
    method: 'POST',
    path,
    headers: body === null ? metadata : { ...metadata, 'content-type': 'application/json' },
    body,
    timeoutMs: Math.min(upstreamTimeoutMs, deadline - performance.now()),
    disconnect,
  })
  return read(response, taskReply)
}

function bodyOf({ labels, category, localCreationTime, localModificationTime }) {
  const isEmpty =
    labels === undefined &&
    category === undefined &&
    localCreationTime === undefined &&
    localModificationTime === undefined
  if (isEmpty) return null
  return JSON.stringify({ labels, category, localCreationTime, localModificationTime })
}

/** @throws Problem for every failure and refusal */
async function call(operation, request) {
  const startedAt = performance.now()
  let response
  try {
    response = await send(request)
  } catch ({ kind }) {
    recordCall(operation, kind, startedAt)
    throw problemOf(kind)
  }
  const isOk = response.status >= 200 && response.status < 300
  recordCall(operation, isOk ? 'ok' : 'refused', startedAt)
  if (!isOk) throw refusalOf(response)
  return response
}

function read({ text }, schema) {
  const { success, data } = schema.safeParse(
    text.length > MAX_REPLY_CHARACTERS ? undefined : parseJson(text),
  )
  if (!success) throw storeFailed('invalid_response')
  return data
}

function parseJson(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function problemOf(kind) {
  if (kind === 'aborted') return storeFailed(kind)
  if (kind === 'timeout') {
    return new Problem(504, 'upstream_timeout', 'The media store did not respond in time.', {
      reason: kind,
    })
  }
  return storeUnavailable(kind)
}

function refusalOf({ status, text }) {
  const { code } = errorReply.safeParse(parseJson(text)).data ?? {}
  if (code === 'InvalidAccessToken') token = undefined
  if (code === 'DirectoryNotFound') {
    return new Problem(409, 'parent_not_found', 'The folder of this upload does not exist.')
  }
  if (code === 'SameNameDirectoryOrFileExists') {
    return new Problem(409, 'name_conflict', 'The name is taken.')
  }
  return status === 429 || status === 503 ? storeUnavailable(code) : storeFailed(code)
}

function storeFailed(reason) {
  return new Problem(502, 'upstream_error', 'The media store did not complete the request.', {
    reason,
  })
}

function storeUnavailable(reason) {
  return new Problem(503, 'upstream_unavailable', 'The media store cannot be reached right now.', {
    headers: { 'Retry-After': '2' },
    reason,
  })
}
