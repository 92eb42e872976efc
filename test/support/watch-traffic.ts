import type { Page, Request } from 'playwright-core'

/** A request and its response, as far as the browser exposes them. */
interface Exchange {
  url: string
  method: string
  /** Headers and bodies of both. */
  all: string
}

/**
 * Records all requests and console messages of a page. Call it before the page is opened.
 */
export async function watchTraffic(page: Page) {
  const bodies = await keepBodies(page)
  const exchanges: Promise<Exchange>[] = []
  const written: string[] = []
  const record = (request: Request) => {
    const exchange = readExchange(request, bodies)
    // Closing the page during a request makes this fail. Only tests that read the exchanges must fail.
    exchange.catch(() => {})
    exchanges.push(exchange)
  }
  page.on('requestfinished', record).on('requestfailed', record)
  page.on('console', (message) => written.push(message.text()))
  page.on('pageerror', (error) => written.push(String(error)))
  return {
    /** Console lines, including uncaught errors and policy violations. */
    written,
    exchanges: () => Promise.all(exchanges),
  }
}

/**
 * Keeps the bodies of responses to the page's scripts, by the gateway's request id. Chromium does not keep
 * each body that a script reads as a stream ("No data found for resource with given identifier").
 */
async function keepBodies(page: Page): Promise<ReadonlyMap<string, string>> {
  const bodies = new Map<string, string>()
  await page.exposeFunction('keepBody', (id: string, body: string) => void bodies.set(id, body))
  await page.addInitScript(() => {
    const { keepBody } = globalThis as unknown as {
      keepBody: (id: string, body: string) => Promise<void>
    }
    const original = globalThis.fetch
    globalThis.fetch = async (...request) => {
      const response = await original(...request)
      const id = response.headers.get('x-request-id')
      if (id) await keepBody(id, await response.clone().text())
      return response
    }
  })
  return bodies
}

async function readExchange(
  request: Request,
  bodies: ReadonlyMap<string, string>,
): Promise<Exchange> {
  const response = await request.response()
  const headers = response ? await response.allHeaders() : {}
  const all = [
    request.url(),
    JSON.stringify(await request.allHeaders()),
    request.postData() ?? '',
    JSON.stringify(headers),
    // Preflights and empty responses have no body.
    bodies.get(headers['x-request-id'] ?? '') ?? (await response?.text().catch(() => '')) ?? '',
  ]
  return { url: request.url(), method: request.method(), all: all.join('\n') }
}

/** URLs that are not on this machine. */
export function offSite(exchanges: readonly Exchange[]): string[] {
  return exchanges.map(({ url }) => url).filter((url) => new URL(url).hostname !== '127.0.0.1')
}
