import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { EmulatorControls } from '../emulator/controls.ts'
import { FAILURES, type Failure } from './demo-state.ts'
import type { DemoIssuer, NamedUser } from './demo-users.ts'
import type { FailureSwitches } from './failure-switches.ts'
import { listen } from './listen.ts'
import { pageFiles } from './page-files.ts'
import { send, sendEvents, sendJson, sendStatus } from './page-responses.ts'

/** A fixed port, so that a page that is still open finds the next demo. */
const DEFAULT_PORT = 8780

const TOKEN_LIFETIME_SECONDS = 300

const MAX_BODY_CHARS = 1_000

/** What the page needs from the rest of the demo. */
interface PageContext {
  gatewayUrl: string
  cosUrl: string
  /** The largest file that the gateway permits. */
  maxBytes: number
  failures: FailureSwitches
  files: EmulatorControls['files']
}

export interface PageServer {
  url: string
  /** Connects the page to the started services. Their addresses become part of the page's policy. */
  connect(context: PageContext): void
  close(): Promise<void>
}

/** Serves the page, its settings and events, and tokens for `users`. */
export async function startPageServer({
  issuer,
  users,
  port = DEFAULT_PORT,
}: {
  issuer: Pick<DemoIssuer, 'token'>
  users: readonly NamedUser[]
  /** Default: 8780. If the port is in use, the server takes a free one. */
  port?: number | undefined
}): Promise<PageServer> {
  // Lets a page detect that it belongs to an earlier run.
  const run = randomUUID()
  const named = users.map(({ sub, name }) => ({ id: sub, name }))
  let context: PageContext | undefined
  let url = ''

  async function handleGet(target: URL, response: ServerResponse): Promise<void> {
    const user = users.find(({ sub }) => sub === target.searchParams.get('user'))
    if (!context) return sendStatus(response, 503)
    const { gatewayUrl, maxBytes, failures, files } = context
    if (target.pathname === '/settings.json') {
      sendJson(response, { run, gatewayUrl, users: named, maxBytes })
    } else if (target.pathname === '/token' && user) {
      const expiresInSeconds = TOKEN_LIFETIME_SECONDS
      const token = await issuer.token({ ...user, expiresInSeconds })
      sendJson(response, { token, expiresInSeconds })
    } else if (target.pathname === '/stored' && user) {
      sendJson(response, storedBy(user, files()))
    } else if (target.pathname === '/events') {
      sendEvents(response, () => JSON.stringify(failures.state()))
    } else {
      const file = (await pageFiles()).get(target.pathname)
      if (file) send(response, `${file.type}; charset=utf-8`, file.body, policy(context))
      else sendStatus(response, target.pathname === '/favicon.ico' ? 204 : 404)
    }
  }

  async function handlePost(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Only this page may simulate failures. Browsers set `Origin`; scripts cannot change it.
    if (request.headers.origin !== url) return sendStatus(response, 403)
    if (request.url !== '/failures' || !context) return sendStatus(response, 404)
    const change = parseChange(await textOf(request))
    if (!change) return sendStatus(response, 400)
    context.failures.set(change.failure, change.isOn)
    sendStatus(response, 204)
  }

  const server = createServer((request, response) => {
    const target = URL.parse(request.url ?? '', url)
    // `//` is not a valid URL. `//host/` and the absolute form may name another origin.
    if (target?.origin !== url) return sendStatus(response, 400)
    const work = {
      GET: () => handleGet(target, response),
      POST: () => handlePost(request, response),
    }
    const act = work[request.method as keyof typeof work]
    if (!act) {
      response.writeHead(405, { allow: 'GET, POST' }).end()
    } else if (`http://${request.headers.host}` !== url) {
      // Another host name, such as localhost, would be another origin.
      response.writeHead(307, { location: url + target.pathname + target.search }).end()
    } else {
      act().catch(() => response.destroy())
    }
  })
  url = await listen(server, port).catch(() => listen(server, 0))

  return {
    url,
    connect(value) {
      context = value
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The stored files of this user, newest first. Paths are relative to the user's folder. */
function storedBy({ sub }: NamedUser, files: ReturnType<EmulatorControls['files']>) {
  return files
    .filter(({ userId }) => userId === sub)
    .map(({ path, size, crc64, creationTime }) => ({
      path: path.slice(2),
      size,
      crc64,
      creationTime,
    }))
    .toSorted((one, other) => other.creationTime.localeCompare(one.creationTime))
}

function parseChange(text: string): { failure: Failure; isOn: boolean } | undefined {
  try {
    const { failure, isOn } = JSON.parse(text)
    return FAILURES.includes(failure) && typeof isOn === 'boolean' ? { failure, isOn } : undefined
  } catch {
    return undefined
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_BODY_CHARS) throw new Error('The request body is too long.')
  }
  return text
}

function policy({ gatewayUrl, cosUrl }: PageContext): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "style-src 'self'",
    // Previews of chosen pictures, and icons.
    'img-src blob: data:',
    `connect-src 'self' ${gatewayUrl} ${cosUrl}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
