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

/** What begin and renew answer. */
export interface Credentials {
  domain: string
  path: string
  uploadId: string
  headers: Record<string, string>
  confirmKey: string
}

export interface RequestOptions {
  /** Whose token goes along; nobody's when null. */
  as?: DemoUser | null
  headers?: Record<string, string>
  /** Sent as JSON, a string as it is. */
  body?: unknown
  signal?: AbortSignal
  /** Which gateway is asked; the harness's first one unless told. */
  on?: LaunchedGateway
}

type Environment =
  | Record<string, string>
  | ((parts: Parts) => Record<string, string> | Promise<Record<string, string>>)

/**
 * The real parts on loopback: emulator, issuer and the gateway as Node runs it, with clocks that all
 * go by what `advance` says. All end with the test.
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

  /** One more gateway over the same emulator and issuer, with the same clock and log. */
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

  /** Begins an upload that must succeed. */
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

  /** Begins an upload and sends all its parts. */
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

  /** Asks for completion of an upload. */
  function complete(
    { confirmKey }: Pick<Credentials, 'confirmKey'>,
    options: RequestOptions = {},
  ): Promise<Response> {
    return request('POST', `/v1/uploads/${confirmKey}/complete`, options)
  }

  /** Uploads a whole file, which must succeed, and gives what is stored. */
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

  /** The calls that SMH received since the last `clearCalls`, without those of the COS side. */
  function smhCalls(route?: RecordedCall['route']): RecordedCall[] {
    return emulator.controls
      .calls()
      .filter((call) => call.host === 'smh' && (route === undefined || call.route === route))
  }

  /** All that was logged up to now. From another process lines arrive late, so one more request is seen through. */
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
    /** Every user token that `request` has sent. */
    issued,
    clock,
    advance(ms: number) {
      moved += ms
      for (const each of gateways) each.clockMoved?.()
    },
    /** Puts the clock of the gateways' machine wrong, or right again: no time passes. */
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

/** `bytes` of content that differs from part to part and is the same in every run. */
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
 * How often something may have been fetched for so many requests at once: on Node they share one
 * flight. On Workers none may await what another began, so each may fly alone.
 */
export function expectFetches(found: number, requests: number): void {
  expect(found).toBeGreaterThanOrEqual(1)
  expect(found).toBeLessThanOrEqual(onWorkers ? requests : 1)
}
