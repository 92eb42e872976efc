import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { listen } from '../../src/demo/listen.ts'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import { serializePipelinedRequests } from '../../src/gateway/runtimes/node/connections.ts'
import { startGateway } from '../../src/gateway/runtimes/node/start.ts'
import { startHarness } from '../support/harness.ts'
import { sendRaw } from '../support/raw-http.ts'

/** The largest answer that needs no token, some 60 kB. */
const ask = 'GET /openapi.json HTTP/1.1\r\nHost: gateway\r\n\r\n'

/** As many as may wait on a connection, or fewer. */
const ASKED_AHEAD = 8

/** Answers that come to more than what lies between the two may hold. */
const MANY = 300

/** A gateway that soon closes connections whose client does not read. */
async function startHasty(stallTimeoutMs = 200) {
  const harness = await startHarness()
  let answered = 0
  const on = await startGateway({
    config: parseConfig({ ...environmentOf(harness), PORT: '0' }),
    log: (_level, { event }) => {
      if (event === 'request') answered += 1
    },
    stallTimeoutMs,
  })
  onTestFinished(() => on.close())
  const { hostname, port } = new URL(on.url)
  function open(): Socket {
    const socket = connect(Number(port), hostname)
    // Reset, most likely.
    socket.on('error', () => undefined)
    onTestFinished(() => void socket.destroy())
    return socket
  }
  return { open, answered: () => answered }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
  })
}

/** Resolves when the other side has closed it, which who reads nothing finds out by writing. */
async function cutOff(socket: Socket, write = () => '\r\n'): Promise<void> {
  const knocking = setInterval(() => socket.write(write()), 1)
  await closed(socket)
  clearInterval(knocking)
}

/** Gives a request as long as few wait for a response, otherwise a line that stands for nothing. */
function askAhead(answered: () => number): () => string {
  let asked = 0
  return () => {
    if (asked - answered() >= ASKED_AHEAD) return '\r\n'
    asked += 1
    return ask
  }
}

test('pipelining: a connection with endless requests is closed', async () => {
  const { open, answered } = await startHasty()
  const socket = open()
  socket.write(ask.repeat(1000))
  await cutOff(socket)
  expect(answered()).toBeLessThan(20)
})

test('stalled client: its connection is closed when it reads nothing of a response', async () => {
  const { open, answered } = await startHasty()
  await cutOff(open(), askAhead(answered))
  expect(answered()).toBeLessThan(MANY)
})

test('slow client: it receives the whole response', { timeout: 30_000 }, async () => {
  const { open, answered } = await startHasty(1000)
  const socket = open()
  let received = 0
  let asked = 0
  const askMore = () => {
    for (; asked < MANY && asked - answered() < ASKED_AHEAD; asked += 1) {
      const isLast = asked === MANY - 1
      socket.write(isLast ? ask.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n') : ask)
    }
  }
  const sips = setInterval(() => {
    askMore()
    socket.resume()
  }, 2)
  socket.on('data', (bytes) => {
    received += bytes.length
    socket.pause()
  })
  await closed(socket)
  clearInterval(sips)
  expect(answered()).toBe(MANY)
  expect(received).toBeGreaterThan(MANY * 60_000)
})

test('pipelining: requests that wait on a closed connection are not served', async () => {
  const begun: string[] = []
  const server = createServer()
  serializePipelinedRequests(server, ({ url = '' }, response) => {
    begun.push(url)
    // As when the process is about to end.
    response.shouldKeepAlive = url !== '/2'
    response.end(url)
  })
  const url = await listen(server, 0)
  onTestFinished(() => void server.close())
  const requests = [1, 2, 3, 4].map((number) => `GET /${number} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const received = await sendRaw(url, requests)
  expect(received.match(/^\/\d/gm)).toEqual(['/1', '/2'])
  expect(begun).toEqual(['/1', '/2'])
})

test('pipelining: a server that stops serves the requests that wait, then closes', async () => {
  const held: ServerResponse[] = []
  let arrived = 0
  const server = createServer()
  const connections = serializePipelinedRequests(server, ({ url = '' }, response) => {
    if (url === '/1') held.push(response)
    else response.end(url)
  })
  server.on('request', () => {
    arrived += 1
  })
  const url = await listen(server, 0)
  onTestFinished(() => void server.close())
  const requests = [1, 2, 3].map((number) => `GET /${number} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const received = sendRaw(url, requests)
  await expect.poll(() => arrived).toBe(3)
  connections.endAfterResponse()
  held[0]?.end('/1')
  const responses = await received
  expect(responses.match(/^\/\d/gm)).toEqual(['/1', '/2', '/3'])
  expect(responses.match(/^Connection: \S+/gim)).toEqual([
    'Connection: keep-alive',
    'Connection: keep-alive',
    'Connection: close',
  ])
})

test('pipelining: waiting requests of all connections are limited, other requests are served', async () => {
  let arrived = 0
  const unanswered: ServerResponse[] = []
  const server = createServer()
  serializePipelinedRequests(server, ({ url }, response) => {
    if (url === '/') response.end()
    else unanswered.push(response)
  })
  server.on('request', () => {
    arrived += 1
  })
  let gone = 0
  server.on('connection', (socket) => {
    socket.once('close', () => {
      gone += 1
    })
  })
  const url = await listen(server, 0)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { hostname, port } = new URL(url)
  const slow = 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'
  const open = (requests: string) => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined).resume()
    socket.write(requests)
    return socket
  }
  const sockets = Array.from({ length: 64 }, () => open(slow.repeat(17)))
  await expect.poll(() => arrived).toBe(64 * 17)
  await closed(open(slow.repeat(2)))
  expect((await fetch(url)).status).toBe(200)
  // A connection that is gone makes room.
  sockets[0]?.destroy()
  await expect.poll(() => gone).toBe(2)
  const expected = unanswered.length
  const answered = sendRaw(url, [slow, slow], (text) => text.split('HTTP/1.1 200').length === 3)
  await expect.poll(() => unanswered.length).toBe(expected + 1)
  unanswered.at(-1)?.end()
  await expect.poll(() => unanswered.length).toBe(expected + 2)
  unanswered.at(-1)?.end()
  expect((await answered).split('HTTP/1.1 200').length).toBe(3)
})

test('stalled client: reading a little from time to time does not extend its timeout', async () => {
  const { open, answered } = await startHasty()
  const socket = open()
  const sips = setInterval(() => socket.read(1), 5)
  await cutOff(socket, askAhead(answered))
  clearInterval(sips)
  expect(answered()).toBeLessThan(MANY)
})

test('idle connection: it stays open longer than those of load balancers', async () => {
  const harness = await startHarness()
  const { hostname, port } = new URL(harness.gateway.url)
  const received = await sendRaw(
    `http://${hostname}:${port}`,
    ['GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n'],
    (text) => text.includes('\r\n\r\n'),
  )
  expect(Number(/^Keep-Alive: timeout=(\d+)/im.exec(received)?.[1])).toBeGreaterThan(60)
})

test('connection limit: the 1,025th connection is closed, earlier ones are served', async () => {
  const harness = await startHarness()
  const gateway = await startGateway({
    config: parseConfig({ ...environmentOf(harness), PORT: '0', MAX_IN_FLIGHT: '1' }),
    log: () => {},
  })
  onTestFinished(() => gateway.close())
  const { hostname, port } = new URL(gateway.url)
  const open = () => {
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    return socket
  }
  const ask = async (socket: Socket) => {
    socket.write('GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n')
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 /)
  }
  // Few at a time, each until it is answered: a client's "connect" comes before the server's accept,
  // and a full backlog would let a later connection be accepted earlier.
  const sockets: Socket[] = []
  while (sockets.length < 1_024) {
    const some = Array.from({ length: 32 }, open)
    await Promise.all(some.map(ask))
    sockets.push(...some)
  }
  const oneMore = open()
  oneMore.on('error', () => undefined) // Reset, most likely.
  await closed(oneMore)
  await Promise.all([sockets[0], sockets[1_023]].map((socket) => ask(socket!)))
})
