import { createServer } from 'node:http'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createUploadClient, type UploadState } from '../../src/client/index.ts'
import { listen } from '../../src/demo/listen.ts'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { pausedUpload, sentNumbers, uploadClient } from '../support/upload-client.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

const file = new Blob(['x'])

/** A fetch that replaces the gateway's response to the first calls of these URLs. */
function answering(what: RegExp, ...answers: (() => Response)[]): typeof fetch {
  return async (target, init) => {
    const answer = what.test(String(target)) ? answers.shift() : undefined
    return answer ? answer() : fetch(target, init)
  }
}

/** Starts a server that redirects each request to the URL in its path. */
async function startRedirecting() {
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    response.writeHead(307, { Location: request.url?.slice(1) }).end()
  })
  const url = await listen(server, 0)
  onTestFinished(() => void server.close())
  return { url, asked: () => asked }
}

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ status, code, detail: 'No.', requestId: 'r1' }), {
    status,
    headers,
  })

describe('begin', () => {
  test('is retried after the Retry-After of 429 and 503', async () => {
    const harness = await startHarness()
    const client = uploadClient(harness, {
      retry: { firstDelayMs: 1 },
      fetch: answering(
        /uploads$/,
        () => problem(503, 'overloaded', { 'Retry-After': '2' }),
        () => problem(429, 'rate_limited', { 'Retry-After': '30' }),
      ),
    })
    expect(await client.upload(file, { path: 'a' }).done).toMatchObject({ name: 'a' })
    expect(client.waits).toEqual([expect.closeTo(2000, -1), expect.closeTo(30_000, -1)])
  })

  test.each([
    ['502', 'upstream_error', () => problem(502, 'upstream_error')],
    ['503 without a time', 'overloaded', () => problem(503, 'overloaded')],
    ['504', 'upstream_timeout', () => problem(504, 'upstream_timeout')],
    [
      'a lost response',
      'network',
      () => {
        throw new TypeError('fetch failed')
      },
    ],
    ['a response of another server', 'bad_answer', () => new Response('<html>', { status: 200 })],
  ])(
    'is not retried after %s, because SMH may have begun the upload',
    async (_what, code, answer) => {
      const harness = await startHarness()
      const client = uploadClient(harness, { fetch: answering(/uploads$/, answer) })
      await expect(client.upload(file, { path: 'a' }).done).rejects.toMatchObject({ code })
      expect(harness.smhCalls('begin-multipart')).toEqual([])
      expect(client.waits).toEqual([])
    },
  )

  test('waits for the network while the browser is offline', async () => {
    const harness = await startHarness()
    const network = new EventTarget()
    const navigator = { onLine: false }
    vi.stubGlobal('navigator', navigator)
    vi.stubGlobal('addEventListener', network.addEventListener.bind(network))
    vi.stubGlobal('removeEventListener', network.removeEventListener.bind(network))
    const { promise: waiting, resolve } = Promise.withResolvers<UploadState>()
    const onState = (state: UploadState) => state.name === 'waiting' && resolve(state)
    const { done } = uploadClient(harness).upload(file, { path: 'a', onState })
    expect(await waiting).toEqual({ name: 'waiting', reason: 'network' })
    expect(harness.smhCalls()).toEqual([])
    navigator.onLine = true
    // The client adds its listener when it starts to wait.
    const ringing = setInterval(() => network.dispatchEvent(new Event('online')), 1)
    expect(await done.finally(() => clearInterval(ringing))).toMatchObject({ name: 'a' })
  })
})

test.each([
  ['503', () => problem(503, 'upstream_unavailable', { 'Retry-After': '1' })],
  ['502', () => problem(502, 'upstream_error')],
  [
    'a lost response',
    () => {
      throw new TypeError('fetch failed')
    },
  ],
])('complete is retried after %s', async (_what, answer) => {
  const harness = await startHarness()
  const client = uploadClient(harness, { fetch: answering(/complete$/, answer, answer) })
  expect(await client.upload(file, { path: 'a' }).done).toMatchObject({ name: 'a' })
  expect(client.waits).toHaveLength(2)
})

test.each([
  ['as ASP.NET does', { errors: { path: ['Too long.'] } }],
  ['with a code that is a number', { code: 502, requestId: 7, errors: 'many' }],
  ['with a code of its own', { code: 'BAD_GATEWAY', errors: {} }],
  ['with nothing', null],
])('resume: an error of a proxy, %s, is retried', async (_how, body) => {
  const harness = await startHarness()
  const it = await pausedUpload(uploadClient(harness), file, { path: 'a' })
  const { resume } = uploadClient(harness, {
    fetch: answering(/uploads/, () => new Response(JSON.stringify(body), { status: 502 })),
  })
  expect(await resume(it.confirmKey ?? '', file).done).toMatchObject({ name: 'a' })
})

test('begin is not retried when the space is full', async () => {
  const harness = await startHarness()
  harness.emulator.controls.setQuota('-', 10)
  const client = uploadClient(harness)
  const { done } = client.upload(new Blob([someBytes(11)]), { path: 'a' })
  await expect(done).rejects.toMatchObject({
    code: 'quota_exceeded',
    status: 507,
    retryable: false,
  })
  expect(client.waits).toEqual([])
})

test("the client waits for the gateway's rate limits of begins and of other calls", async () => {
  const harness = await startHarness({ environment: { RATE_LIMIT_PER_MINUTE: '1' } })
  const reasons = new Set<string>()
  const waits: number[] = []
  const client = uploadClient(harness, {
    wait: async (ms) => {
      waits.push(ms)
      harness.advance(ms)
    },
  })
  const onState = (state: UploadState) => state.name === 'waiting' && reasons.add(state.reason)
  const first = await client.upload(file, { path: '0', onState }).done
  const second = await client.upload(file, { path: '1', onState }).done
  harness.advance(60_000)
  const { confirmKey } = await harness.begin({ path: '2', size: 1 })
  const before = waits.length
  for (let call = 0; call < 12; call += 1) await client.status(confirmKey)
  expect([first.name, second.name]).toEqual(['0', '1'])
  expect([...reasons]).toEqual(['rate_limit'])
  expect(before).toBeGreaterThan(0)
  expect(waits.length).toBeGreaterThan(before)
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000)
})

describe('getToken', () => {
  test('is called again when the gateway rejects the token', async () => {
    const harness = await startHarness()
    const valid = await harness.issuer.token({ sub: 'ann' })
    const tokens = ['stale', valid]
    const getToken = vi.fn(() => tokens.shift() ?? valid)
    await uploadClient(harness, { getToken }).upload(file, { path: 'a' }).done
    expect(getToken).toHaveBeenCalledTimes(3)
  })

  test('the upload fails when the gateway rejects the token twice', async () => {
    const harness = await startHarness()
    const getToken = vi.fn(async () => 'stale')
    const { done } = uploadClient(harness, { getToken }).upload(file, { path: 'a' })
    await expect(done).rejects.toMatchObject({ code: 'invalid_token', status: 401 })
    expect(getToken).toHaveBeenCalledTimes(2)
  })

  test('the upload fails with its error as the cause', async () => {
    const harness = await startHarness()
    const cause = new Error('signed out')
    const getToken = () => Promise.reject(cause)
    const { done } = uploadClient(harness, { getToken }).upload(file, { path: 'a' })
    await expect(done).rejects.toMatchObject({ code: 'token', cause })
  })
})

test('an upload continues automatically when the network is back', async () => {
  const harness = await startHarness()
  let away = false
  const failing: typeof fetch = (target, init) =>
    away ? Promise.reject(new TypeError('fetch failed')) : fetch(target, init)
  let waited = 0
  const client = uploadClient(harness, {
    fetch: failing,
    partsInParallel: 2,
    wait: async () => {
      waited += 1
      if (waited === 12) away = false
    },
  })
  const upload = client.upload(new Blob([someBytes(5 * MiB)]), {
    path: 'a.bin',
    onConfirmKey: () => {
      away = true
    },
  })
  expect(await upload.done).toMatchObject({ size: 5 * MiB })
  expect(sentNumbers(harness)).toEqual([1, 2, 3, 4, 5])
})

test('the client does not follow redirects of the gateway', async () => {
  const [harness, other] = await Promise.all([startHarness(), startHarness()])
  const { port } = new URL(harness.gateway.url)
  // A proxy that redirects to another server.
  const led: typeof fetch = (target, init) => {
    const toOther = new URL(String(target))
    const isBegin = toOther.port === port && init?.method === 'POST'
    return fetch(isBegin ? `${redirecting.url}/${other.gateway.url}/v1/uploads` : target, init)
  }
  const redirecting = await startRedirecting()
  const { done } = uploadClient(harness, { fetch: led }).upload(file, { path: 'a' })
  await expect(done).rejects.toMatchObject({ code: 'network' })
  expect(redirecting.asked()).toBe(1)
  expect(other.smhCalls()).toEqual([])
  expect((await other.records()).filter(({ event }) => event === 'request')).toEqual([])
})

test('the gateway may be served below a path of its host', async () => {
  const harness = await startHarness()
  const asked: string[] = []
  const client = uploadClient(harness, {
    gateway: 'https://app.example.com/media/',
    fetch: (target, init) => {
      asked.push(String(target))
      return fetch(
        String(target).replace('https://app.example.com/media', harness.gateway.url),
        init,
      )
    },
  })
  const { confirmKey } = await harness.begin({ path: 'a', size: 1 })
  expect(await client.status(confirmKey)).toMatchObject({ confirmed: false, parts: [] })
  expect(asked).toEqual([`https://app.example.com/media/v1/uploads/${confirmKey}`])
})

test.each([
  ['partsInParallel', { partsInParallel: 0 }],
  ['partsInParallel', { partsInParallel: 1.5 }],
  ['partSize', { partSize: MiB - 1 }],
  ['partSize', { partSize: 6 * 1024 * MiB }],
])('createUploadClient: %s is validated: %j', (name, options) => {
  const create = () =>
    createUploadClient({ gateway: 'https://g.example', getToken: () => '', ...options })
  expect(create).toThrow(RangeError)
  expect(create).toThrow(name)
})
