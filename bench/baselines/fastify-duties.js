// The same duties as the gateway for a begin, on Fastify: its schemas, its logger, its hooks.
import Fastify, { LogController } from 'fastify'
import { destination, pino } from 'pino'
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

const log = pino(
  {
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  },
  destination({ dest: 1, sync: false, minLength: 4096, periodicFlush: 100 }),
)

const app = Fastify({
  loggerInstance: log,
  // One line for a request, as the other servers write it.
  logController: new LogController({ disableRequestLogging: true }),
  // Fastify would turn numbers into strings and remove unknown fields. The others refuse them.
  ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  bodyLimit: 64 * 1024,
  requestTimeout: 30_000,
  genReqId: ({ headers }) => requestIdOf(headers),
})

app.removeContentTypeParser('text/plain')

const text = { type: 'string', minLength: 1, maxLength: 64 }
const time = { type: 'string', format: 'date-time', maxLength: 35 }
const body = {
  type: 'object',
  additionalProperties: false,
  required: ['path', 'size'],
  properties: {
    path: { type: 'string' },
    size: { type: 'integer', minimum: 1 },
    conflictResolutionStrategy: { enum: ['ask', 'rename', 'overwrite'] },
    trafficLimit: { type: 'integer', minimum: 102_400, maximum: 104_857_600 },
    preferSameOrigin: { type: 'boolean' },
    labels: { type: 'array', maxItems: 20, items: text },
    category: text,
    localCreationTime: time,
    localModificationTime: time,
  },
}
const string = { type: 'string' }
const credentials = {
  type: 'object',
  required: ['domain', 'path', 'uploadId', 'headers', 'confirmKey'],
  properties: {
    domain: string,
    path: string,
    uploadId: string,
    headers: { type: 'object', additionalProperties: string },
    confirmKey: string,
  },
}

app.decorateRequest('user', null)
app.decorateRequest('stop', null)
app.decorateRequest('startedAt', 0)

app.addHook('onRequest', async (incoming, answer) => {
  incoming.startedAt = performance.now()
  answer.headers({ ...fixedHeaders, 'X-Request-Id': incoming.id })
})

function authenticate(incoming, _answer, done) {
  const found = userOf(incoming.headers.authorization)
  const go = (user) => {
    limitRate(user)
    incoming.user = user
    done()
  }
  if (found instanceof Promise) found.then(go).catch(done)
  else go(found)
}

function holdPermit(incoming, answer, done) {
  takePermit(incoming.user)
  incoming.stop = new AbortController()
  answer.raw.once('close', () => {
    releasePermit(incoming.user)
    if (!answer.raw.writableFinished) incoming.stop.abort()
  })
  done()
}

app.post(
  '/v1/uploads',
  {
    schema: { body, response: { 201: credentials } },
    onRequest: authenticate,
    preHandler: holdPermit,
  },
  async (incoming, answer) => {
    const { headers, body: fields } = await begin(
      incoming.user,
      incoming.body,
      incoming.headers,
      incoming.stop,
    )
    answer.code(201).headers(headers)
    return fields
  },
)

app.addHook('onResponse', (incoming, answer, done) => {
  log.info({
    event: 'request',
    requestId: incoming.id,
    operation: 'beginUpload',
    method: incoming.method,
    status: answer.statusCode,
    durationMs: Math.round((performance.now() - incoming.startedAt) * 10) / 10,
  })
  done()
})

app.setErrorHandler((error, incoming, answer) => {
  const problem =
    error.statusCode < 500 && !(error instanceof Problem)
      ? new Problem(error.statusCode, 'invalid_request', 'The request is invalid.')
      : toProblem(error)
  answer
    .code(problem.status)
    .headers(problem.headers)
    .type('application/problem+json')
    .send(JSON.stringify(problemBody(problem, incoming.id)))
})

listening(await app.listen({ port: 0, host: '127.0.0.1' }))
