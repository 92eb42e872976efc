/**
 * What Hono's own helpers cost beside the gateway's: request id, CORS and JSON. One process serves the same
 * small response in each way, in turns, and sends itself the requests. Takes about a minute. Prints the CPU
 * time of a request (user and system, client included) for each way, as a median, and what it adds.
 *
 * npm run bench:hono
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { Agent, request } from 'undici'

const REQUESTS = 6_000
const ROUNDS = 7
const CONCURRENCY = 20

const origin = 'https://app.example.com'
const body = { domain: 'bucket.cos.example', path: '/key', uploadId: 'id', confirmKey: 'key' }

/** As src/gateway/http/respond.ts has it. */
const plain = (headers: Record<string, string>) =>
  new Response(JSON.stringify(body), {
    status: 201,
    headers: { 'Content-Type': 'application/json', ...headers },
  })

const ownHeaders = { 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' }
const own = { ...ownHeaders, 'X-Request-Id': '0d9f4f0e-5c5e-4f0b-8f52-4c1a3f5d1f7e' }

/** As src/gateway/http/cors.ts has it. */
const ownCors = {
  Vary: 'Origin',
  'Access-Control-Allow-Origin': origin,
  'Access-Control-Expose-Headers': 'Location, Upload-Expires',
}

const json = (c: Context, headers: Record<string, string>) => c.json(body, 201, headers)

const ways: Record<string, Hono> = {
  'own headers, plain object': new Hono().post('/', () => plain({ ...own, ...ownCors })),
  'c.json': new Hono().post('/', (c) => json(c, { ...own, ...ownCors })),
  'hono/request-id': new Hono().use(requestId()).post('/', () => plain({ ...own, ...ownCors })),
  'hono/secure-headers': new Hono()
    .use(secureHeaders())
    .post('/', () => plain({ ...own, ...ownCors })),
  'hono/cors': new Hono()
    .use(cors({ origin, exposeHeaders: ['Location', 'Upload-Expires'] }))
    .post('/', () => plain(own)),
  'all of Hono': new Hono()
    .use(requestId(), secureHeaders(), cors({ origin, exposeHeaders: ['Location'] }))
    .post('/', (c) => json(c, { 'Cache-Control': 'no-store' })),
}

const agent = new Agent({ connections: CONCURRENCY })
const urls = new Map<string, string>()
const servers = []
for (const [way, app] of Object.entries(ways)) {
  const server = createServer(getRequestListener(app.fetch)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  urls.set(way, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  servers.push(server)
}

/** CPU time of one request, µs. */
async function measure(url: string): Promise<number> {
  let left = REQUESTS
  async function client(): Promise<void> {
    while (left > 0) {
      left -= 1
      const response = await request(url, {
        method: 'POST',
        dispatcher: agent,
        headers: { origin },
      })
      await response.body.dump()
      if (response.statusCode !== 201) throw new Error(`Status ${response.statusCode}`)
    }
  }
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: CONCURRENCY }, client))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / REQUESTS
}

const figures = new Map<string, number[]>()
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [way, url] of urls) {
    const figure = await measure(url)
    // The first round warms up.
    if (round > 0) figures.set(way, [...(figures.get(way) ?? []), figure])
  }
}
const median = (values: number[]) =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const base = median(figures.get('own headers, plain object') ?? [])
for (const [way, values] of figures) {
  const figure = median(values)
  const added = (figure - base).toFixed(1).padStart(6)
  console.log(`${way.padEnd(26)} ${figure.toFixed(1).padStart(6)} µs, added ${added}`)
}
await agent.close()
for (const server of servers) server.close()
