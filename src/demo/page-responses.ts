import type { ServerResponse } from 'node:http'

/** How often the server checks for a new event. */
const EVENT_INTERVAL_MS = 300

/** Sends a response without a body. */
export function sendStatus(response: ServerResponse, status: number): void {
  response.writeHead(status).end()
}

/** Sends a value as JSON. */
export function sendJson(response: ServerResponse, value: unknown): void {
  send(response, 'application/json', JSON.stringify(value))
}

/** Sends a body that no cache keeps. `csp` is the content security policy of the page. */
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

/** Sends the result of `read` as a server-sent event, now and whenever it changes. */
export function sendEvents(response: ServerResponse, read: () => string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let last = ''
  const sendChange = () => {
    const next = read()
    if (next !== last) response.write(`data: ${next}\n\n`)
    last = next
  }
  sendChange()
  const ticking = setInterval(sendChange, EVENT_INTERVAL_MS)
  response.on('close', () => clearInterval(ticking))
}
