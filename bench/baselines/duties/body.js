import * as z from 'zod'
import { isLonger } from './names.js'
import { invalidRequest, Problem } from './problem.js'
import { BODY_TIMEOUT_MS, MAX_BODY_BYTES } from './settings.js'

const MAX_REPORTED_ISSUES = 20

const shortText = z
  .string()
  .min(1)
  .regex(/^[^\p{Cc}]*$/u)
  .refine((text) => text.isWellFormed())
const localTime = z.iso.datetime({ offset: true }).max(35)

const beginBody = z.strictObject({
  path: z.string(),
  size: z.int().min(1),
  conflictResolutionStrategy: z.enum(['ask', 'rename', 'overwrite']).default('rename'),
  trafficLimit: z.int().min(102_400).max(104_857_600).optional(),
  preferSameOrigin: z.boolean().optional(),
  labels: z
    .array(shortText.refine((text) => !isLonger(text, 64)))
    .max(20)
    .optional(),
  category: shortText.refine((text) => Buffer.byteLength(text) <= 16).optional(),
  localCreationTime: localTime.optional(),
  localModificationTime: localTime.optional(),
})

/** @throws Problem `invalid_request` with the invalid fields */
export function parseBegin(value) {
  const { success, data, error } = beginBody.safeParse(value)
  if (success) return data
  const issues = error.issues
    .slice(0, MAX_REPORTED_ISSUES)
    .flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((field) => ({ field, message: 'is unknown' }))
        : [{ field: issue.path.join('.') || 'body', message: issue.message }],
    )
  throw invalidRequest(...issues.slice(0, MAX_REPORTED_ISSUES))
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws Problem `invalid_request`; invalid UTF-8 is not replaced, also not in names */
export function parseJson(bytes) {
  try {
    const text = utf8.decode(bytes)
    return text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    throw new Problem(400, 'invalid_request', 'The body is not valid JSON in UTF-8.')
  }
}

/** @throws Problem `unsupported_media_type` */
export function checkMediaType(headers) {
  const type = headers['content-type']
  const coding = headers['content-encoding']
  const isJson =
    type === 'application/json' || type?.split(';')[0].trim().toLowerCase() === 'application/json'
  if (!isJson || (coding !== undefined && coding.toLowerCase() !== 'identity')) {
    throw new Problem(415, 'unsupported_media_type', 'Send JSON, as application/json.')
  }
}

export function bodyTooLarge() {
  return new Problem(413, 'request_too_large', `The body exceeds ${MAX_BODY_BYTES} bytes.`)
}

/**
 * Reads a body of at most 64 KiB.
 *
 * @throws Problem `request_too_large`; `invalid_request` when it is incomplete or late
 */
export function readBody(incoming) {
  return new Promise((resolve, reject) => {
    if (Number(incoming.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw bodyTooLarge()
    const chunks = []
    let bytes = 0
    let complete = false
    const fail = (problem) => {
      clearTimeout(timer)
      incoming.removeAllListeners('data')
      incoming.resume()
      reject(problem)
    }
    const timer = setTimeout(() => fail(bodyLate()), BODY_TIMEOUT_MS)
    incoming.on('data', (chunk) => {
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) fail(bodyTooLarge())
      else chunks.push(chunk)
    })
    incoming.on('end', () => {
      complete = true
      clearTimeout(timer)
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    })
    incoming.on('close', () => {
      if (!complete) fail(new Problem(400, 'invalid_request', 'The body is incomplete.'))
    })
    incoming.on('error', () => {})
  })
}

function bodyLate() {
  return new Problem(400, 'invalid_request', 'The body did not arrive in time.', {
    headers: { Connection: 'close' },
    reason: 'body_timeout',
  })
}
