// All duties of the gateway's begin on `node:http`, without a framework.
import { createServer } from 'node:http'
import {
  announce,
  begin,
  checkMediaType,
  Disconnect,
  KEEP_ALIVE_MS,
  limitRate,
  Problem,
  parseBegin,
  parseJson,
  problemBody,
  REQUEST_TIMEOUT_MS,
  readBody,
  received,
  recordRequest,
  requestIdOf,
  served,
  settings,
  toProblem,
  userOf,
} from './duties.js'

const server = createServer(
  {
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS / 4,
  },
  serve,
)

async function serve(incoming, response) {
  const startedAt = performance.now()
  const requestId = requestIdOf(incoming.headers)
  let status = 201
  let problem
  try {
    const { credentials, location, expires } = await beginFor(incoming, response, startedAt)
    respond(response, status, requestId, 'application/json', JSON.stringify(credentials), {
      Location: location,
      'Upload-Expires': expires,
    })
  } catch (error) {
    problem = toProblem(error)
    status = problem.status
    const body = JSON.stringify(problemBody(problem, requestId))
    respond(response, status, requestId, 'application/problem+json', body, problem.headers)
  }
  recordRequest(requestId, incoming.method, status, startedAt, problem)
}

/** The steps in the gateway's order: user, rate, body, permit, upload. */
async function beginFor(incoming, response, startedAt) {
  const { method, url, headers } = incoming
  if (url !== '/v1/uploads') throw new Problem(404, 'not_found', 'No such endpoint.')
  if (method !== 'POST') {
    throw new Problem(405, 'method_not_allowed', 'Use POST.', { headers: { Allow: 'POST' } })
  }
  const verified = userOf(headers.authorization)
  const user = verified instanceof Promise ? await verified : verified
  limitRate(user.id)
  const wanted = await readWanted(incoming, user)
  served.acquire(user.id)
  const disconnect = new Disconnect()
  response.once('close', () => {
    served.release(user.id)
    disconnect.abort()
  })
  return begin(user, wanted, headers, startedAt, disconnect)
}

async function readWanted(incoming, user) {
  received.acquire(user.id)
  try {
    checkMediaType(incoming.headers)
    return parseBegin(parseJson(await readBody(incoming)))
  } finally {
    received.release(user.id)
  }
}

function respond(response, status, requestId, type, body, headers) {
  response.writeHead(status, {
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  })
  response.end(body)
}

server.listen(settings.port, '127.0.0.1', () => {
  announce(`http://127.0.0.1:${server.address().port}`)
})
