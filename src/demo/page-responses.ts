import type { ServerResponse } from 'node:http'

/** How often a page that listens is told what is new. */
const NEWS_MS = 300

/** An answer without a body. */
export function sendStatus(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}

/** Whatever JSON can say. */
export function sendJson(response: ServerResponse, value: unknown): void {
  send(response, 'application/json', JSON.stringify(value))
}

/** A body that no cache keeps, with the page's policy where it is a part of the page. */
export function send(
  response: ServerResponse,
  type: string,
  body: string | Uint8Array,
  csp?: string,
) {
  response.writeHead(200, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    ...(csp && { 'content-security-policy': csp }),
  })
  response.end(body)
}

/** Server-sent events: how it stands now, and again whenever it has changed. */
export function sendEvents(response: ServerResponse, tell: () => string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let told = ''
  const tellNews = () => {
    const news = tell()
    if (news !== told) response.write(`data: ${news}\n\n`)
    told = news
  }
  tellNews()
  const ticking = setInterval(tellNews, NEWS_MS)
  response.on('close', () => clearInterval(ticking))
}
