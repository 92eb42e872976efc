import { request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { createUploadClient } from '../../src/client/index.ts'
import type { DemoState } from '../../src/demo/demo-state.ts'
import { startDemo } from '../../src/demo/start-demo.ts'
import { MiB, someBytes } from '../support/harness.ts'
import { readAnswer, sendRaw } from '../support/raw-http.ts'

async function aDemo() {
  const { signal } = new AbortController()
  const demo = await startDemo({ log: () => {}, worker: false, signal, pagePort: 0 })
  onTestFinished(() => demo.close())
  const { controls } = demo.emulator
  const [ada, boris] = demo.users
  const client = createUploadClient({
    gateway: demo.gatewayUrl,
    getToken: () => demo.issuer.token(ada),
    cosScheme: 'http',
    partSize: MiB,
    retry: { firstDelayMs: 1, attempts: 1_000, longestDelayMs: 5 },
  })
  return {
    ...demo,
    controls,
    ada: ada.sub,
    boris: boris.sub,
    client,
    get: (path: string) => fetch(demo.pageUrl + path),
    /** Switches a failure, as the page does. */
    switch: (order: object, origin = demo.pageUrl) =>
      fetch(`${demo.pageUrl}/failures`, {
        method: 'POST',
        headers: { origin },
        body: JSON.stringify(order),
      }),
  }
}

/** Reads the state events of the page, one by one. */
async function* statesOf({ pageUrl }: { pageUrl: string }): AsyncGenerator<DemoState> {
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  const { body } = await fetch(`${pageUrl}/events`, { signal: stop.signal })
  let text = ''
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    const events = (text + chunk).split('\n\n')
    text = events.pop()!
    for (const event of events) yield JSON.parse(event.slice('data: '.length))
  }
}

async function stateWhere(
  states: AsyncGenerator<DemoState>,
  holds: (state: DemoState) => boolean,
): Promise<DemoState> {
  for (;;) {
    const { value } = await states.next()
    if (holds(value)) return value
  }
}

test('page: its policy permits connections to the gateway and COS only', async () => {
  const { get, gatewayUrl, emulator } = await aDemo()
  const page = await get('/')
  expect(page.headers.get('content-security-policy')?.split('; ')).toEqual([
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    'img-src blob: data:',
    `connect-src 'self' ${gatewayUrl} ${emulator.cosUrl}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ])
  const types = ['/page.js', '/hash-worker.js', '/style.css'].map(async (path) => {
    const { status, headers } = await get(path)
    return [status, headers.get('content-type')]
  })
  const script = [200, 'text/javascript; charset=utf-8']
  expect(await Promise.all(types)).toEqual([script, script, [200, 'text/css; charset=utf-8']])
  expect((await get('/main.ts')).status).toBe(404)
})

test('GET /stored: lists only the files of the user', async () => {
  const { get, ada, boris, client } = await aDemo()
  const source = new Blob([someBytes(3)])
  await client.upload(source, { path: 'a/first.txt' }).done
  const stored = await client.upload(new Blob([someBytes(4)]), { path: 'second.txt' }).done
  expect(await (await get(`/stored?user=${ada}`)).json()).toMatchObject([
    { path: ['second.txt'], size: 4, crc64: stored.crc64 },
    { path: ['a', 'first.txt'], size: 3 },
  ])
  expect(await (await get(`/stored?user=${boris}`)).json()).toEqual([])
  expect((await get('/stored?user=unknown')).status).toBe(404)
})

test('POST /failures: rejects other origins and invalid bodies', async () => {
  const demo = await aDemo()
  const order = { failure: 'networkOff', isOn: true }
  expect((await demo.switch(order, 'http://elsewhere.example')).status).toBe(403)
  expect((await demo.switch(order, 'null')).status).toBe(403)
  expect((await demo.switch({ failure: 'rain', isOn: true })).status).toBe(400)
  expect((await demo.switch({ failure: 'networkOff', isOn: 1 })).status).toBe(400)
  expect((await fetch(`${demo.pageUrl}/failures`, { method: 'DELETE' })).status).toBe(405)
  await expect(demo.switch({ ...order, more: 'x'.repeat(2_000) })).rejects.toThrow()
  expect((await fetch(`${demo.gatewayUrl}/livez`)).status).toBe(200)
})

test("page: another host name redirects to the page's address", async () => {
  const { pageUrl } = await aDemo()
  const { port } = new URL(pageUrl)
  const location = await new Promise((resolve, reject) => {
    const headers = { host: `stranger.example:${port}` }
    request(`${pageUrl}/token?user=x`, { headers }, ({ headers }) => resolve(headers.location))
      .on('error', reject)
      .end()
  })
  expect(location).toBe(`${pageUrl}/token?user=x`)
})

/** The status of the response to a GET with this request target. */
async function statusOf({ pageUrl }: { pageUrl: string }, target: string): Promise<number> {
  const { host } = new URL(pageUrl)
  const request = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  return readAnswer(await sendRaw(pageUrl, [request])).status
}

test('page: malformed request targets get 400 or 404 and do no harm', async () => {
  const demo = await aDemo()
  const statuses = {
    '//': 400,
    '//elsewhere.example/token': 400,
    'http://elsewhere.example/': 400,
    'http://[/': 400,
    'elsewhere.example:443': 400,
    '*': 404,
    '/%': 404,
    '/%00%zz?user=%': 404,
    '/token?user=%ff': 404,
  }
  const answered = Object.keys(statuses).map(async (target) => [
    target,
    await statusOf(demo, target),
  ])
  expect(Object.fromEntries(await Promise.all(answered))).toEqual(statuses)
  expect((await demo.get('/')).status).toBe(200)
})

test('page: a request target in absolute form is served', async () => {
  const demo = await aDemo()
  expect(await statusOf(demo, `${demo.pageUrl}/settings.json`)).toBe(200)
})

test('GET /events: reports switches, counters and the lost part', async () => {
  const demo = await aDemo()
  const states = statesOf(demo)
  const first = await stateWhere(states, () => true)
  expect(Object.values(first.failures)).toEqual([false, false, false, false, false])
  expect(first.counts).toEqual({ partsReceived: 0, partsAgain: 0, renewals: 0, filesStored: 0 })

  expect((await demo.switch({ failure: 'partLost', isOn: true })).status).toBe(204)
  await stateWhere(states, ({ failures }) => failures.partLost)
  const source = new Blob([someBytes(3 * MiB)])
  await demo.client.upload(source, { path: 'clip.mp4' }).done
  const last = await stateWhere(states, ({ counts }) => counts.filesStored === 1)
  expect(last.counts).toMatchObject({ partsReceived: 3, partsAgain: 1 })
  expect(last.lostPart).toEqual({ number: expect.any(Number), received: true })
  expect(last.failures.partLost).toBe(false)
})

test('failures: a part is lost also while all parts are slow', async () => {
  const demo = await aDemo()
  await demo.switch({ failure: 'slowParts', isOn: true })
  await demo.switch({ failure: 'partLost', isOn: true })
  await demo.client.upload(new Blob([someBytes(3)]), { path: 'note.txt' }).done
  const { counts, lostPart } = await stateWhere(statesOf(demo), () => true)
  expect([counts.partsAgain, lostPart]).toEqual([1, { number: 1, received: true }])
})

test('failures: short credentials expire and are renewed until the switch is off', async () => {
  const demo = await aDemo()
  const ttls = async () => {
    const upload = demo.client.upload(new Blob([someBytes(3)]), { path: 'note.txt' })
    await upload.done
    const part = demo.controls.calls().findLast(({ route }) => route === 'put-object')
    const times = /q-key-time=(\d+);(\d+)/.exec(part?.headers.authorization ?? '')
    return Number(times?.[2]) - Number(times?.[1])
  }
  await demo.switch({ failure: 'shortCredentials', isOn: true })
  expect(await ttls()).toBe(3)
  await demo.switch({ failure: 'shortCredentials', isOn: false })
  expect(await ttls()).toBe(7200)
})

test('failures: while the network is off no request succeeds, and uploads continue later', async () => {
  const demo = await aDemo()
  await demo.switch({ failure: 'networkOff', isOn: true })
  await demo.switch({ failure: 'networkOff', isOn: true })
  await expect(fetch(`${demo.gatewayUrl}/livez`)).rejects.toThrow()
  await expect(fetch(demo.emulator.cosUrl)).rejects.toThrow()
  expect((await demo.get('/settings.json')).status).toBe(200)
  await demo.switch({ failure: 'networkOff', isOn: false })
  const stored = await demo.client.upload(new Blob([someBytes(3)]), { path: 'note.txt' }).done
  expect(stored.size).toBe(3)
})
