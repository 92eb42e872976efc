// The same duties as the gateway for a begin, written by hand on node:http.
import { Buffer } from 'node:buffer'
import { createServer } from 'node:http'
import { destination, pino } from 'pino'
import * as z from 'zod'
import {
  begin,
  fixedHeaders,
  limitRate,
  releasePermit,
  requestIdOf,
  takePermit,
  userOf,
} from './duties.js'
import { Problem, problemBody, toProblem } from './problem.js'
import { listening } from './settings.js'

const MAX_BODY_BYTES = 64 * 1024
const BODY_TIMEOUT_MS = 30_000

const log = pino(
  {
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  },
  destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 100 }),
)

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

const utf8 = new TextDecoder('utf-8', { fatal: true })

function readBody(incoming) {
  if (Number(incoming.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
    throw new Problem(413, 'request_too_large', 'The body is too large.')
  }
  return new Promise((resolve, reject) => {
    const chunks = []
    let bytes = 0
    const timer = setTimeout(() => {
      reject(
        new Problem(400, 'invalid_request', 'The body did not arrive.', { Connection: 'close' }),
      )
    }, BODY_TIMEOUT_MS)
    incoming.on('data', (chunk) => {
      bytes += chunk.length
      if (bytes > MAX_BODY_BYTES) reject(new Problem(413, 'request_too_large', 'Too large.'))
      else chunks.push(chunk)
    })
    incoming.on('end', () => {
      clearTimeout(timer)
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    })
    incoming.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
  })
}

function parseBody(bytes) {
  let value
  try {
    value = JSON.parse(utf8.decode(bytes))
  } catch {
    throw new Problem(400, 'invalid_request', 'The body is not valid JSON.')
  }
  const parsed = wantedUpload.safeParse(value)
  if (!parsed.success) throw new Problem(400, 'invalid_request', 'The request is invalid.')
  return parsed.data
}

async function serveBegin(incoming, response) {
  if (incoming.method !== 'POST' || incoming.url !== '/v1/uploads') {
    throw new Problem(404, 'not_found', 'No such endpoint.')
  }
  const { headers } = incoming
  const found = userOf(headers.authorization)
  const user = found instanceof Promise ? await found : found
  limitRate(user)
  if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) {
    throw new Problem(415, 'unsupported_media_type', 'Send JSON.')
  }
  const wanted = parseBody(await readBody(incoming))
  takePermit(user)
  const stop = new AbortController()
  response.once('close', () => {
    releasePermit(user)
    if (!response.writableFinished) stop.abort()
  })
  return begin(user, wanted, headers, stop)
}

const server = createServer(async (incoming, response) => {
  const startedAt = performance.now()
  const requestId = requestIdOf(incoming.headers)
  let status = 201
  let code
  let type = 'application/json'
  let result
  try {
    result = await serveBegin(incoming, response)
  } catch (error) {
    const problem = toProblem(error)
    status = problem.status
    code = problem.code
    type = 'application/problem+json'
    result = { headers: problem.headers, body: problemBody(problem, requestId) }
  }
  const body = JSON.stringify(result.body)
  response.writeHead(status, {
    ...fixedHeaders,
    ...result.headers,
    'X-Request-Id': requestId,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
  const durationMs = Math.round((performance.now() - startedAt) * 10) / 10
  const operation = 'beginUpload'
  log.info({
    event: 'request',
    requestId,
    operation,
    method: incoming.method,
    status,
    durationMs,
    code,
  })
})
server.listen(0, '127.0.0.1', () => listening(`http://127.0.0.1:${server.address().port}`))
