import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import type { Fixture } from './fixture.ts'
import { type LogLine, startServer } from './processes.ts'

/** Rules that each case below can break. */
const rules = {
  UPLOAD_ALLOWED_EXTENSIONS: 'mp4',
  UPLOAD_MAX_BYTES: '10000000',
  UPLOAD_META_KEYS: 'origin',
  UPLOAD_TRAFFIC_LIMIT: '2000000',
  UPSTREAM_TIMEOUT_SECONDS: '1',
  MAX_IN_FLIGHT: '2',
  RATE_LIMIT_PER_MINUTE: '40',
  ADMIN_PORT: '0',
}
const LIMIT = Number(rules.RATE_LIMIT_PER_MINUTE)

const small = { path: 'clip.mp4', size: 2_097_162 }
const full = {
  path: 'Ho\u0301liday/clip (1).mp4',
  size: 4096,
  conflictResolutionStrategy: 'ask',
  trafficLimit: 3_000_000,
  preferSameOrigin: true,
  labels: ['holiday'],
  category: 'photo',
  localCreationTime: '2026-03-09T11:22:33Z',
  localModificationTime: '2026-03-09T11:22:33+08:00',
}

/** Those whose values all servers must agree on. */
const HEADERS = [
  'cache-control',
  'retry-after',
  'upload-expires',
  'www-authenticate',
  'x-content-type-options',
]

interface Case {
  body: string | Uint8Array<ArrayBuffer>
  headers?: Record<string, string>
}
const json = (value: object): Case => ({ body: JSON.stringify(value) })

/** One request each. The gateway shows what the response must be. */
const cases: Record<string, Case> = {
  begin: json(small),
  'all fields': { ...json(full), headers: { 'x-smh-meta-origin': 'camera' } },
  'a request id': { ...json(small), headers: { 'x-request-id': 'id-of-the-client' } },
  'no token': { ...json(small), headers: { authorization: '' } },
  'another scheme': { ...json(small), headers: { authorization: 'Basic YTpi' } },
  'an invalid token': { ...json(small), headers: { authorization: 'Bearer a.b.c' } },
  'no JSON': { body: '{"path":' },
  'no UTF-8': { body: Uint8Array.of(...Buffer.from('{"path":"'), 0xff, ...Buffer.from('"}')) },
  'another media type': { ...json(small), headers: { 'content-type': 'text/plain' } },
  'a coding': { ...json(small), headers: { 'content-encoding': 'gzip' } },
  'a long body': json({ ...small, path: 'a'.repeat(65_536) }),
  'no size': json({ path: 'clip.mp4' }),
  'size 0': json({ ...small, size: 0 }),
  'a size as text': json({ ...small, size: '1' }),
  'an unknown field': json({ ...small, user: 'another' }),
  'an unknown strategy': json({ ...small, conflictResolutionStrategy: 'replace' }),
  'a low traffic limit': json({ ...small, trafficLimit: 1 }),
  'a long label': json({ ...small, labels: ['x'.repeat(65)] }),
  'a label with a lone surrogate': json({ ...small, labels: ['\ud800'] }),
  'a long category': json({ ...small, category: '\u00e9'.repeat(9) }),
  'an invalid time': json({ ...small, localCreationTime: 'yesterday' }),
  'a forbidden character': json({ ...small, path: 'a:b.mp4' }),
  'a dot segment': json({ ...small, path: '../clip.mp4' }),
  'an encoded dot segment': json({ ...small, path: '%2e%2e/clip.mp4' }),
  'an encoded slash': json({ ...small, path: 'a%252fclip.mp4' }),
  'an empty segment': json({ ...small, path: 'a//clip.mp4' }),
  'a space at the end': json({ ...small, path: 'a /clip.mp4' }),
  'a control character': json({ ...small, path: 'a\u0085.mp4' }),
  'a lone surrogate': json({ ...small, path: '\udc00.mp4' }),
  'a long name': json({ ...small, path: `${'a'.repeat(256)}.mp4` }),
  'many levels': json({ ...small, path: `${'a/'.repeat(30)}clip.mp4` }),
  'a large file': json({ ...small, size: 10_000_001 }),
  'another extension': json({ ...small, path: 'clip.exe' }),
  'a strategy that is not allowed': json({ ...small, conflictResolutionStrategy: 'overwrite' }),
  'an unknown metadata key': { ...json(small), headers: { 'x-smh-meta-owner': 'x' } },
  'an invalid metadata value': { ...json(small), headers: { 'x-smh-meta-origin': '\u00e9' } },
  'long metadata': { ...json(small), headers: { 'x-smh-meta-origin': 'x'.repeat(3000) } },
  'an invalid reply of SMH': json({ ...small, path: 'bad-reply.mp4' }),
  'no reply of SMH': json({ ...small, path: 'stall.mp4' }),
}

/**
 * Checks that these servers do what the gateway does for a begin: the same responses, calls to SMH, limits, log
 * lines and metrics. Throws an AssertionError that names the first difference.
 */
export async function checkJudges(
  gateway: URL,
  baselines: Readonly<Record<string, URL>>,
  fixture: Fixture,
): Promise<void> {
  const expected = await observe(gateway, fixture)
  for (const [name, file] of Object.entries(baselines)) {
    const observed = await observe(file, fixture)
    for (const [title, value] of Object.entries(expected)) {
      assert.deepEqual(observed[title], value, `${name} differs from the gateway: ${title}`)
    }
  }
}

/** What the server does, by the title of the case. */
async function observe(file: URL, fixture: Fixture): Promise<Record<string, unknown>> {
  const lines: LogLine[] = []
  const environment = { ...fixture.environment, ...rules }
  const server = await startServer(file, environment, (line) => lines.push(line))
  const [token = '', other = ''] = await fixture.tokens(2)
  const send = ({ body, headers }: Case, signal?: AbortSignal, user = token) =>
    fetch(`${server.url}/v1/uploads`, {
      method: 'POST',
      body,
      headers: {
        authorization: `Bearer ${user}`,
        'content-type': 'application/json',
        ...headers,
      },
      ...(signal && { signal }),
    })
  const calls = () => fixture.upstreamCalls()
  const seen: Record<string, unknown> = {}
  let responses = 0
  for (const [title, each] of Object.entries(cases)) {
    const before = await calls()
    const response = await send(each)
    responses += 1
    const after = await calls()
    const began = after.begin - before.begin
    seen[title] = {
      ...(await facts(response)),
      began,
      ...(began > 0 && (await fixture.lastBegin())),
    }
  }
  seen['another user has another confirm key'] =
    (await keyOf(await send(json(small)))) !==
    (await keyOf(await send(json(small), undefined, other)))
  responses += 2

  const before = await calls()
  const disconnect = new AbortController()
  const stalled = send(json({ ...small, path: 'stall.mp4' }), disconnect.signal, other)
  // It rejects when the client disconnects.
  stalled.catch(() => {})
  await until(async () => (await calls()).stalled > before.stalled)
  seen['the permits of a user'] = (await send(json(small), undefined, other)).status
  disconnect.abort()
  await until(async () => (await calls()).aborted > before.aborted)
  seen['the permits after a disconnect'] = (await send(json(small), undefined, other)).status
  responses += 3

  const statuses: number[] = []
  while (statuses.at(-1) !== 429 && statuses.length <= LIMIT) {
    statuses.push((await send(json(small), undefined, other)).status)
  }
  responses += statuses.length
  seen['the rate limit'] = statuses.at(-1)

  const { address: metricsUrl } = await found(() =>
    lines.find(({ event }) => event === 'metrics_listening'),
  )
  const metrics = await (await fetch(`${metricsUrl}/metrics`)).text()
  seen['every request in the metrics'] =
    sumOf(metrics, 'gateway_request_duration_seconds') - responses
  seen['calls to SMH in the metrics'] = sumOf(metrics, 'gateway_smh_call_duration_seconds') > 0
  seen['requests in flight in the metrics'] = /^gateway_requests_in_flight 0$/m.test(metrics)
  const logged = () => lines.filter(({ event }) => event === 'request')
  await until(async () => logged().length >= responses)
  seen['log lines of requests'] = logged().length - responses
  seen['request ids in the log'] = logged().every(({ requestId }) => requestId !== undefined)
  seen['fields of a log line'] = Object.keys(logged()[0] ?? {}).sort()
  await server.close()
  return seen
}

/** What all servers must agree on. The texts for people may differ. */
async function facts(response: Response): Promise<object> {
  const { status, headers } = response
  const body = await response.json()
  const id = headers.get('x-request-id')
  return {
    status,
    // Fastify adds a charset.
    mediaType: headers.get('content-type')?.split(';')[0],
    ...Object.fromEntries(HEADERS.map((name) => [name, headers.get(name)])),
    requestId: id === 'id-of-the-client' ? id : /^[\w-]{36}$/.test(id ?? ''),
    location: headers.get('location') === `/v1/uploads/${body.confirmKey}`,
    ...(status === 201
      ? { body: { ...body, confirmKey: shapeOf(body.confirmKey) } }
      : { body: Object.keys(body).sort(), code: body.code, isOfRequest: body.requestId === id }),
  }
}

/** Without the expiry and the signature, which depends on it. */
function shapeOf(confirmKey: string): string[] {
  const [version = '', , ...fields] = confirmKey.split('.')
  const mac = fields.pop() ?? ''
  return [version, ...fields, String(mac.length)]
}

async function keyOf(response: Response): Promise<string> {
  return (await response.json()).confirmKey
}

/** The number of all observations of a histogram. */
function sumOf(metrics: string, name: string): number {
  const counts = metrics.matchAll(new RegExp(`^${name}_count\\{.*\\} (\\d+)$`, 'gm'))
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

const POLL_MS = 20
const POLLS = 250

async function until(isDone: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < POLLS; tries += 1) {
    if (await isDone()) return
    await wait(POLL_MS)
  }
  throw new Error('The server did not do in five seconds what the check waits for.')
}

async function found<T>(find: () => T | undefined): Promise<T> {
  await until(async () => find() !== undefined)
  return find() as T
}
