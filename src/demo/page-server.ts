import { readFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DemoIssuer, DemoUser } from './demo-users.ts'

const HOST = '127.0.0.1'

/** The same in every run, so that a page left open finds the next demo, unless it is taken. */
const USUAL_PORT = 8780

const TOKEN_LIFETIME_SECONDS = 300

const assets = new Map([
  ['/', { url: new URL('./page.html', import.meta.url), type: 'text/html' }],
  ['/page.css', { url: new URL('./page.css', import.meta.url), type: 'text/css' }],
  ['/page.js', { url: new URL('./page.js', import.meta.url), type: 'text/javascript' }],
  [
    '/crc64.js',
    {
      url: new URL(import.meta.resolve('hash-wasm/dist/crc64.umd.min.js')),
      type: 'text/javascript',
    },
  ],
])

/** Where the page finds the others. */
interface Addresses {
  gatewayUrl: string
  cosUrl: string
}

export interface PageServer {
  url: string
  /** To be called when the others have started; their addresses go into the page's policy. */
  connect(addresses: Addresses): void
  close(): Promise<void>
}

/** Serves the page, the addresses it needs, and a token for each of `users`. */
export async function startPageServer({
  issuer,
  users,
  port = USUAL_PORT,
}: {
  issuer: Pick<DemoIssuer, 'token'>
  users: readonly DemoUser[]
  /** Where to listen; any other port when it is taken. */
  port?: number | undefined
}): Promise<PageServer> {
  let addresses: Addresses | undefined
  let url = ''

  async function answer(target: URL, response: ServerResponse): Promise<void> {
    const asset = assets.get(target.pathname)
    if (asset && addresses) {
      send(response, `${asset.type}; charset=utf-8`, await readFile(asset.url), policy(addresses))
    } else if (target.pathname === '/settings.json' && addresses) {
      const names = users.map(({ sub }) => sub)
      sendJson(response, { gatewayUrl: addresses.gatewayUrl, users: names })
    } else if (target.pathname === '/token') {
      const user = users.find(({ sub }) => sub === target.searchParams.get('user'))
      if (!user) return void response.writeHead(404).end()
      const expiresInSeconds = TOKEN_LIFETIME_SECONDS
      sendJson(response, {
        token: await issuer.token({ ...user, expiresInSeconds }),
        expiresInSeconds,
      })
    } else {
      response.writeHead(target.pathname === '/favicon.ico' ? 204 : 404).end()
    }
  }

  const server = createServer((request, response) => {
    const target = new URL(request.url ?? '/', url)
    // Under another name (localhost, or a stranger's that leads here) the origin would be another.
    if (`http://${request.headers.host}` !== url) {
      response.writeHead(307, { location: url + target.pathname + target.search }).end()
    } else if (request.method !== 'GET') {
      response.writeHead(405, { allow: 'GET' }).end()
    } else {
      answer(target, response).catch(() => response.destroy())
    }
  })
  await listen(server, port).catch(() => listen(server, 0))
  url = `http://${HOST}:${(server.address() as AddressInfo).port}`

  return {
    url,
    connect(value) {
      addresses = value
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function policy({ gatewayUrl, cosUrl }: Addresses): string {
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    `connect-src 'self' ${gatewayUrl} ${cosUrl}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

function sendJson(response: ServerResponse, value: unknown): void {
  send(response, 'application/json', JSON.stringify(value))
}

function send(response: ServerResponse, type: string, body: string | Buffer, csp?: string): void {
  response.writeHead(200, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    ...(csp && { 'content-security-policy': csp }),
  })
  response.end(body)
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
