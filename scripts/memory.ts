/**
 * `npm run test:memory`: compares the gateway's heap after 200,000 mixed requests of 100,000 users with the
 * heap after 100,000. By then the gateway remembers as many users as it can. Gateway and emulator are separate
 * processes. Takes about five minutes. Prints both heaps; exits 1 when the heap has grown.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import { type DemoIssuer, startDemoIssuer } from '../src/demo/demo-users.ts'
import { startEmulatorProcess } from './load/emulator-process.ts'

const FIRST = 100_000
const LAST = 200_000
const USERS = 100_000
const CALLERS = 32
/** The rate limiter counts begins for a minute. The measurement waits until those counts are gone. */
const RATE_WINDOW_MS = 62_000
const NOISE_BYTES = 8 * 1024 * 1024
const NOISE = 0.1

const root = fileURLToPath(new URL('..', import.meta.url))
const children: ChildProcess[] = []
const issuer = await startDemoIssuer()
const agent = new Agent({ connections: CALLERS })

try {
  const emulator = await startEmulatorProcess()
  children.push(emulator.child)
  const { gateway, url } = await startGateway(emulator.variables)
  const traffic = createTraffic(url, issuer)
  const heapAt: Record<number, number> = {}
  for (const requests of [FIRST, LAST]) {
    const seconds = await traffic.until(requests)
    await wait(RATE_WINDOW_MS)
    const { heapUsed, external, rss } = await memoryOf(gateway)
    heapAt[requests] = heapUsed
    const perSecond = Math.round((requests - traffic.before) / seconds)
    print(
      `${requests} requests (${perSecond}/s): heap ${mib(heapUsed)} MiB, external ${mib(external)} MiB, resident ${mib(rss)} MiB`,
    )
    traffic.before = requests
  }
  print(`responses: ${traffic.responses()}`)
  const [first = 0, last = 0] = [heapAt[FIRST], heapAt[LAST]]
  const grown = last - first
  const leaks = grown > NOISE_BYTES && grown > NOISE * first
  print(`grown by ${mib(grown)} MiB: ${leaks ? 'a leak' : 'no leak'}`)
  process.exitCode = leaks ? 1 : 0
} finally {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all([agent.destroy(), issuer.close()])
}

async function startGateway(emulator: Record<string, string>) {
  const gateway = fork('src/gateway/runtimes/node/main.ts', {
    cwd: root,
    execArgv: ['--expose-gc', '--import', './test/support/report-heap.ts'],
    silent: true,
    env: {
      PATH: process.env.PATH,
      ...emulator,
      // The mode that keeps most state.
      SMH_TOKEN_MODE: 'per-user',
      JWT_ISSUER: issuer.issuer,
      JWT_AUDIENCE: issuer.audience,
      UPLOAD_PATH_PREFIX: '/',
      CORS_ORIGINS: 'https://app.example.com',
      PORT: '0',
      ADMIN_PORT: '0',
    },
  })
  children.push(gateway)
  const lines = createInterface({ input: gateway.stdout! })
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      if (line.includes('"event":"listening"')) resolve(JSON.parse(line).address)
    })
    gateway.once('exit', () => reject(new Error('The gateway ended before it listened.')))
  })
  return { gateway, url }
}

async function memoryOf(gateway: ChildProcess): Promise<NodeJS.MemoryUsage> {
  gateway.send('memory')
  const [usage] = await once(gateway, 'message')
  return usage as NodeJS.MemoryUsage
}

interface Credentials {
  domain: string
  path: string
  uploadId: string
  headers: Record<string, string>
  confirmKey: string
}

/** Valid and invalid requests of every operation, from many users. */
function createTraffic(url: string, issuer: DemoIssuer) {
  const counts = new Map<string, number>()
  let sent = 0
  let user = 0

  async function ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    token?: string,
    body?: unknown,
  ): Promise<unknown> {
    sent += 1
    const headers = {
      origin: 'https://app.example.com',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const { statusCode, body: answer } = await request(url + path, {
      method,
      headers,
      dispatcher: agent,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    const kind = `${method} ${path.split('/')[4] ?? path.split('/')[2] ?? path} ${statusCode}`
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    return statusCode < 300 && text !== '' ? JSON.parse(text) : undefined
  }

  /** Six begins, the later operations for the last of them, and one refused request. */
  async function round(number: number): Promise<void> {
    let token = ''
    let upload: Credentials | undefined
    for (let begin = 0; begin < 6; begin += 1) {
      user = (user + 1) % USERS
      token = await issuer.token({ sub: `user-${user}` })
      const body = { path: `file-${sent}.bin`, size: 3 }
      upload = (await ask('POST', '/v1/uploads', token, body)) as Credentials
    }
    if (!upload) throw new Error('A begin failed.')
    const { confirmKey, domain, path, uploadId, headers } = upload
    const at = `/v1/uploads/${confirmKey}`
    await ask('GET', at, token)
    if (number % 2 === 0) {
      await ask('POST', `${at}/renew`, token)
      await ask('DELETE', at, token)
    } else {
      const part = `http://${domain}${path}?uploadId=${encodeURIComponent(uploadId)}&partNumber=1`
      const put = await request(part, { method: 'PUT', headers, dispatcher: agent, body: 'abc' })
      await put.body.dump()
      await ask('POST', `${at}/complete`, token, {})
      await ask('POST', `${at}/complete`, token, {})
    }
    const bad = [
      () => ask('POST', '/v1/uploads', 'no.token.this', { path: 'a', size: 1 }),
      () => ask('POST', '/v1/uploads', undefined, { path: 'a', size: 1 }),
      () => ask('POST', '/v1/uploads', token, '{"path":'),
      () => ask('POST', '/v1/uploads', token, { path: `a/${number}/../b`, size: 1 }),
      () => ask('GET', `/v1/uploads/k${number}`, token),
      () => ask('GET', `/nowhere-${number % 10}`),
      () => ask('GET', '/readyz'),
    ]
    await bad[number % bad.length]?.()
  }

  return {
    before: 0,
    /** Sends until this number of requests is reached. Resolves to the seconds it took. */
    async until(requests: number): Promise<number> {
      const startedAt = performance.now()
      const caller = async () => {
        while (sent < requests) await round(Math.floor(sent / 10))
      }
      await Promise.all(Array.from({ length: CALLERS }, caller))
      return (performance.now() - startedAt) / 1000
    },
    responses: () => [...counts].map(([kind, count]) => `${kind} ×${count}`).join(', '),
  }
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
