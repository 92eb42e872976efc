import { expect, onTestFinished } from 'vitest'
import { type DemoUser, startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf, type Parts } from '../../src/demo/environment.ts'
import type { RecordedCall } from '../../src/emulator/recorder.ts'
import { type EmulatorOptions, startEmulator } from '../../src/emulator/start.ts'
import type { LogLevel, LogRecord } from '../../src/gateway/ports.ts'
import { checkDeclared } from './declared-responses.ts'
import { isLogLate, type LaunchedGateway, launch, onWorkers } from './launch.ts'

export const ann: DemoUser = { sub: 'ann' }
export const bob: DemoUser = { sub: 'bob' }

/** The response of begin and renew. */
export interface Credentials {
  domain: string
  path: string
  uploadId: string
  headers: Record<string, string>
  confirmKey: string
}

export interface RequestOptions {
  /** The user of the token; without a token when null. Default: Ann. */
  as?: DemoUser | null
  headers?: Record<string, string>
  /** Sent as JSON; a string is sent unchanged. */
  body?: unknown
  signal?: AbortSignal
  /** The gateway that receives the request. Default: the harness's first. */
  on?: LaunchedGateway
}

type Environment =
  | Record<string, string>
  | ((parts: Parts) => Record<string, string> | Promise<Record<string, string>>)

/**
 * Starts emulator, issuer and a gateway on loopback, on the runtime under test. All share one clock that
 * `advance` moves. All end with the test.
 */
export async function startHarness({
  environment = {},
  emulator: emulatorOptions = {},
  bodyTimeoutMs,
}: {
  environment?: Environment
  emulator?: EmulatorOptions
  bodyTimeoutMs?: number
} = {}) {
  let moved = 0
  let setTo = 0
  const clock = () => Date.now() + moved
  const issuer = await startDemoIssuer({ now: clock })
  const emulator = await startEmulator({ ...emulatorOptions, now: clock })
  const logged: (LogRecord & { level: LogLevel })[] = []
  const issued = new Set<string>()
  const gateways: LaunchedGateway[] = []
  onTestFinished(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()))
    await Promise.all([emulator.close(), issuer.close()])
  })

  /** Starts one more gateway with the same emulator, issuer, clock and log. */
  async function startAnother(environment: Environment): Promise<LaunchedGateway> {
    const own =
      typeof environment === 'function' ? await environment({ emulator, issuer }) : environment
    const variables = {
      ...environmentOf({ emulator, issuer }),
      ...('SMH_ACCESS_TOKEN' in own && { SMH_LIBRARY_SECRET: '' }),
      ...own,
    }
    const gateway = await launch({
      environment: variables,
      clock: () => clock() + setTo,
      monotonicClock: () => performance.now() + moved,
      onRecord: (record) => logged.push(record),
      bodyTimeoutMs,
    })
    gateways.push(gateway)
    return gateway
  }
  const gateway = await startAnother(environment)

  /** Sends a request to the gateway. Fails when the published document does not declare the response. */
  async function request(
    method: string,
    path: string,
    { as = ann, headers = {}, body, signal, on = gateway }: RequestOptions = {},
  ): Promise<Response> {
    const token = as && (await issuer.token(as))
    if (token) issued.add(token)
    const response = await fetch(on.url + path, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    })
    await checkDeclared(method, path, response)
    return response
  }

  /** Begins an upload; rejects unless it succeeds. */
  async function begin(
    wanted: Record<string, unknown>,
    options: RequestOptions = {},
  ): Promise<Credentials> {
    const response = await request('POST', '/v1/uploads', { ...options, body: wanted })
    if (response.status !== 201)
      throw new Error(`begin: ${response.status} ${await response.text()}`)
    return (await response.json()) as Credentials
  }

  /** Sends one part to COS, as a client does. */
  function putPart(credentials: Credentials, number: number, bytes: Uint8Array<ArrayBuffer>) {
    const { domain, path, uploadId, headers } = credentials
    const query = `uploadId=${encodeURIComponent(uploadId)}&partNumber=${number}`
    return fetch(`http://${domain}${path}?${query}`, { method: 'PUT', headers, body: bytes })
  }

  /** Begins an upload and sends all its parts; rejects unless each succeeds. */
  async function uploadParts(
    path: string,
    parts: readonly Uint8Array<ArrayBuffer>[],
    options: RequestOptions & { wanted?: Record<string, unknown> } = {},
  ): Promise<Credentials> {
    const size = parts.reduce((sum, part) => sum + part.length, 0)
    const credentials = await begin({ path, size, ...options.wanted }, options)
    for (const [index, part] of parts.entries()) {
      const response = await putPart(credentials, index + 1, part)
      if (response.status !== 200) throw new Error(`part ${index + 1}: ${response.status}`)
    }
    return credentials
  }

  /** Requests the completion of an upload. */
  function complete(
    { confirmKey }: Pick<Credentials, 'confirmKey'>,
    options: RequestOptions = {},
  ): Promise<Response> {
    return request('POST', `/v1/uploads/${confirmKey}/complete`, options)
  }

  /** Uploads a whole file. Resolves to the stored file; rejects unless each step succeeds. */
  async function upload(
    path: string,
    parts: readonly Uint8Array<ArrayBuffer>[],
    options: RequestOptions & { wanted?: Record<string, unknown> } = {},
  ): Promise<Record<string, unknown>> {
    const { as = ann, on = gateway } = options
    const credentials = await uploadParts(path, parts, options)
    const response = await complete(credentials, { as, on })
    if (response.status !== 200)
      throw new Error(`complete: ${response.status} ${await response.text()}`)
    return (await response.json()) as Record<string, unknown>
  }

  /** The calls that SMH received since the last `clearCalls`, without those to COS. */
  function smhCalls(route?: RecordedCall['route']): RecordedCall[] {
    return emulator.controls
      .calls()
      .filter((call) => call.host === 'smh' && (route === undefined || call.route === route))
  }

  /** All log records so far. Lines of another process arrive late, so this waits for the line of one more request. */
  async function records(on = gateway): Promise<typeof logged> {
    if (!isLogLate) return logged
    const marker = crypto.randomUUID()
    await fetch(`${on.url}/livez`, { headers: { 'x-request-id': marker } })
    const isMarker = ({ requestId }: LogRecord) => requestId === marker
    await expect.poll(() => logged.some(isMarker), { timeout: 10_000 }).toBe(true)
    logged.splice(logged.findIndex(isMarker), 1)
    return logged
  }

  return {
    emulator,
    issuer,
    gateway,
    startAnother,
    records,
    /** Every user token that `request` sent. */
    issued,
    clock,
    /** Lets time pass on every clock, in milliseconds. */
    advance(ms: number) {
      moved += ms
      for (const each of gateways) each.clockMoved?.()
    },
    /** Shifts the gateways' wall clock only, in milliseconds. No time passes. */
    setClock(ms: number) {
      setTo += ms
      for (const each of gateways) each.clockMoved?.()
    },
    request,
    begin,
    putPart,
    uploadParts,
    complete,
    upload,
    smhCalls,
  }
}

export type Harness = Awaited<ReturnType<typeof startHarness>>

/** `bytes` of content that the seed determines. */
export function someBytes(bytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(bytes)
  let state = seed >>> 0 || 1
  for (let index = 0; index < bytes; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    content[index] = state >>> 24
  }
  return content
}

export const MiB = 1024 * 1024

/**
 * Checks how often concurrent requests fetched the same resource. On Node they share one fetch. On Workers a
 * request cannot await another request's fetch, so each may fetch.
 */
export function expectFetches(found: number, requests: number): void {
  expect(found).toBeGreaterThanOrEqual(1)
  expect(found).toBeLessThanOrEqual(onWorkers ? requests : 1)
}
