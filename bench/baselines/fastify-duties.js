// All duties of the gateway's begin on Fastify: schemas for body and response, hooks, its logger.
import Fastify, { LogController } from 'fastify'
import {
  announce,
  BODY_TIMEOUT_MS,
  begin,
  bodyTooLarge,
  Disconnect,
  invalidRequest,
  KEEP_ALIVE_MS,
  limitRate,
  log,
  MAX_BODY_BYTES,
  Problem,
  parseJson,
  problemBody,
  received,
  recordRequest,
  requestIdOf,
  served,
  settings,
  toProblem,
  userOf,
} from './duties.js'

const app = Fastify({
  loggerInstance: log,
  // One line per request, which a hook writes. A logger for each request would only cost time.
  logController: new LogController({ disableRequestLogging: true }),
  childLoggerFactory: (logger) => logger,
  genReqId: (incoming) => requestIdOf(incoming.headers),
  bodyLimit: MAX_BODY_BYTES,
  keepAliveTimeout: KEEP_ALIVE_MS,
  // Fastify has no timeout for a body alone.
  requestTimeout: BODY_TIMEOUT_MS,
  ajv: {
    customOptions: {
      coerceTypes: false,
      removeAdditional: false,
      useDefaults: true,
      keywords: [{ keyword: 'maxBytes', validate: (max, text) => Buffer.byteLength(text) <= max }],
    },
  },
})

app.decorateRequest('startedAt', 0)
app.decorateRequest('user', null)
app.decorateRequest('disconnect', null)
app.decorateRequest('isReceiving', false)
app.decorateRequest('isServed', false)
app.decorateRequest('problem', null)

// Fastify's own parser replaces invalid UTF-8.
app.removeAllContentTypeParsers()
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
  try {
    done(null, parseJson(bytes))
  } catch (error) {
    done(error)
  }
})

app.addHook('onRequest', (request, reply, done) => {
  request.startedAt = performance.now()
  reply.headers({
    'X-Request-Id': request.id,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  })
  done()
})

app.addHook('onResponse', (request, reply, done) => {
  const { id, method, startedAt, problem } = request
  recordRequest(id, method, reply.statusCode, startedAt, problem)
  done()
})

app.setErrorHandler((error, request, reply) => {
  const problem = toProblem(ofFastify(error))
  request.problem = problem
  if (problem.headers) reply.headers(problem.headers)
  reply.code(problem.status).type('application/problem+json')
  reply.send(JSON.stringify(problemBody(problem, request.id)))
  // Fastify has no hook for a client that has disconnected before the response.
  if (reply.raw.destroyed)
    recordRequest(request.id, request.method, problem.status, request.startedAt, problem)
})

app.setNotFoundHandler(() => {
  throw new Problem(404, 'not_found', 'No such endpoint.')
})

/** Fastify's own errors as problems. */
function ofFastify(error) {
  if (error.validation) {
    return invalidRequest(
      ...error.validation.map(({ instancePath, message }) => ({
        field: instancePath.slice(1).replaceAll('/', '.') || 'body',
        message,
      })),
    )
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return bodyTooLarge()
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return unsupportedMediaType()
  return error
}

function unsupportedMediaType() {
  return new Problem(415, 'unsupported_media_type', 'Send JSON, as application/json.')
}

// Without control characters and lone surrogates.
const shortText = { type: 'string', minLength: 1, pattern: '^[^\\p{Cc}\\p{Cs}]*$' }
const localTime = { type: 'string', format: 'date-time', maxLength: 35 }
const body = {
  type: 'object',
  required: ['path', 'size'],
  additionalProperties: false,
  properties: {
    path: { type: 'string' },
    size: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
    conflictResolutionStrategy: { enum: ['ask', 'rename', 'overwrite'], default: 'rename' },
    trafficLimit: { type: 'integer', minimum: 102_400, maximum: 104_857_600 },
    preferSameOrigin: { type: 'boolean' },
    labels: { type: 'array', maxItems: 20, items: { ...shortText, maxLength: 64 } },
    category: { ...shortText, maxBytes: 16 },
    localCreationTime: localTime,
    localModificationTime: localTime,
  },
}
const text = { type: 'string' }
const credentials = {
  type: 'object',
  properties: {
    domain: text,
    path: text,
    uploadId: text,
    headers: { type: 'object', additionalProperties: text },
    confirmKey: text,
  },
}

function authenticate(request, _reply, done) {
  const take = (user) => {
    limitRate(user.id)
    request.user = user
  }
  try {
    const verified = userOf(request.headers.authorization)
    if (verified instanceof Promise) {
      verified.then(take).then(() => done(), done)
      return
    }
    take(verified)
  } catch (error) {
    done(error)
    return
  }
  done()
}

/** Before the body is read. */
function startReceiving(request, reply, done) {
  const { user } = request
  try {
    const coding = request.headers['content-encoding']
    if (coding !== undefined && coding.toLowerCase() !== 'identity') throw unsupportedMediaType()
    received.acquire(user.id)
  } catch (error) {
    done(error)
    return
  }
  request.isReceiving = true
  request.disconnect = new Disconnect()
  reply.raw.once('close', () => {
    endReceiving(request)
    request.disconnect.abort()
    if (request.isServed) served.release(user.id)
  })
  done()
}

function endReceiving(request) {
  if (request.isReceiving) received.release(request.user.id)
  request.isReceiving = false
}

/** After the body is valid. */
function startServing(request, _reply, done) {
  endReceiving(request)
  try {
    served.acquire(request.user.id)
  } catch (error) {
    done(error)
    return
  }
  request.isServed = true
  done()
}

app.post(
  '/v1/uploads',
  {
    schema: { body, response: { 201: credentials } },
    onRequest: authenticate,
    preParsing: (request, reply, _payload, done) => startReceiving(request, reply, done),
    preHandler: startServing,
  },
  async (request, reply) => {
    const { user, body, headers, startedAt, disconnect } = request
    const { credentials, location, expires } = await begin(
      user,
      body,
      headers,
      startedAt,
      disconnect,
    )
    reply.code(201).header('Location', location).header('Upload-Expires', expires)
    return credentials
  },
)

announce(await app.listen({ port: settings.port, host: '127.0.0.1' }))
