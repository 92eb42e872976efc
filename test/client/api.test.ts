import { createServer } from 'node:http'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createUploadClient, type UploadState } from '../../src/client/index.ts'
import { listen } from '../../src/demo/listen.ts'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { begun, pausedUpload, sentNumbers, uploadClient } from '../support/upload-client.ts'

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

function failedFetch(): never {
  throw new TypeError('fetch failed')
}

/** A fetch that loses the response to the first calls of these URLs. */
function losing(what: RegExp, times: number): typeof fetch {
  let left = times
  return async (target, init) => {
    const response = await fetch(target, init)
    if (!what.test(String(target)) || left === 0) return response
    left -= 1
    return failedFetch()
  }
}

/** A fetch that notes the Idempotency-Key of each request that has one. */
function notingKeys(fetch: typeof globalThis.fetch = globalThis.fetch) {
  const keys: string[] = []
  const noting: typeof fetch = (target, init) => {
    const key = new Headers(init?.headers).get('Idempotency-Key')
    if (key !== null) keys.push(key)
    return fetch(target, init)
  }
  return { fetch: noting, keys }
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
    ['502', () => problem(502, 'upstream_error')],
    ['503 without a time', () => problem(503, 'overloaded')],
    ['504', () => problem(504, 'upstream_timeout')],
    ['an error of a proxy', () => new Response('<html>', { status: 502 })],
    ['a lost response', failedFetch],
  ])('is retried after %s, with the same Idempotency-Key', async (_what, answer) => {
    const harness = await startHarness()
    const { fetch, keys } = notingKeys(answering(/uploads$/, answer, answer))
    const client = uploadClient(harness, { fetch })
    expect(await client.upload(file, { path: 'a' }).done).toMatchObject({ name: 'a' })
    expect(client.waits).toHaveLength(2)
    expect(keys).toHaveLength(3)
    expect(new Set(keys).size).toBe(1)
  })

  test('begins one upload when the response is lost', async () => {
    const harness = await startHarness()
    const client = uploadClient(harness, { fetch: losing(/uploads$/, 2) })
    const source = new Blob([someBytes(2 * MiB)])
    const { done } = client.upload(source, { path: 'a', instant: false })
    expect(await done).toMatchObject({ name: 'a' })
    expect(begun(harness)).toBe(1)
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('waits while the first request with its key is still running', async () => {
    const harness = await startHarness()
    const running = () => problem(409, 'request_in_progress', { 'Retry-After': '1' })
    const client = uploadClient(harness, {
      retry: { firstDelayMs: 1 },
      fetch: answering(/uploads$/, running),
    })
    expect(await client.upload(file, { path: 'a' }).done).toMatchObject({ name: 'a' })
    expect(client.waits).toEqual([expect.closeTo(1000, -1)])
  })

  test('has another key for each upload', async () => {
    const harness = await startHarness()
    const { fetch, keys } = notingKeys()
    const client = uploadClient(harness, { fetch })
    for (const path of ['a', 'b']) await client.upload(new Blob(['x']), { path }).done
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
    expect(new Set(keys).size).toBe(2)
  })

  test('is not retried at the limit of open uploads', async () => {
    const harness = await startHarness({ environment: { UPLOAD_MAX_OPEN: '1' } })
    const { confirmKey } = await harness.begin({ path: 'a', size: 1 })
    const client = uploadClient(harness)
    await expect(client.upload(file, { path: 'b' }).done).rejects.toMatchObject({
      code: 'too_many_open_uploads',
      status: 429,
      retryable: false,
    })
    expect(client.waits).toEqual([])
    await client.abort(confirmKey)
    expect(await client.upload(file, { path: 'b' }).done).toMatchObject({ name: 'b' })
  })

  test('is not retried after a response of another server', async () => {
    const harness = await startHarness()
    const fetch = answering(/uploads$/, () => new Response('<html>', { status: 200 }))
    const client = uploadClient(harness, { fetch })
    const { done } = client.upload(file, { path: 'a' })
    await expect(done).rejects.toMatchObject({ code: 'bad_answer' })
    expect(client.waits).toEqual([])
  })

  test('waits for the network while the browser is offline', async () => {
    const harness = await startHarness()
    const network = new EventTarget()
    const navigator = { onLine: false }
    vi.stubGlobal('navigator', navigator)
    vi.stubGlobal('addEventListener', network.addEventListener.bind(network))
    vi.stubGlobal('removeEventListener', network.removeEventListener.bind(network))
    const { promise: waiting, resolve } = Promise.withResolvers<UploadState>()
    const onState = (state: UploadState) => state.name === 'waiting' && resolve(state)
    const client = uploadClient(harness, {
      fetch: (...request) => (navigator.onLine ? fetch(...request) : failedFetch()),
    })
    const { done } = client.upload(file, { path: 'a', onState })
    expect(await waiting).toEqual({ name: 'waiting', reason: 'network' })
    expect(client.waits).toEqual([])
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
  const client = uploadClient(harness, { fetch: led, retry: { attempts: 1 } })
  const { done } = client.upload(file, { path: 'a' })
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
