import type { Page, Request } from 'playwright-core'

/** One request with its answer, as far as the browser lets them be read. */
interface Exchange {
  url: string
  method: string
  /** Headers and bodies of both. */
  all: string
}

/** Records from now on every request of a page and whatever it writes to the console. */
export function watchTraffic(page: Page) {
  const exchanges: Promise<Exchange>[] = []
  const written: string[] = []
  const record = (request: Request) => {
    const exchange = readExchange(request)
    // A page closed in the middle of a request leaves it unread: that fails whoever asks for the
    // exchanges, and a test that does not ask has nothing to lose by it.
    exchange.catch(() => {})
    exchanges.push(exchange)
  }
  page.on('requestfinished', record).on('requestfailed', record)
  page.on('console', (message) => written.push(message.text()))
  page.on('pageerror', (error) => written.push(String(error)))
  return {
    /** Console lines, uncaught errors and breaches of the page's policy among them. */
    written,
    exchanges: () => Promise.all(exchanges),
  }
}

async function readExchange(request: Request): Promise<Exchange> {
  const response = await request.response()
  const all = [
    request.url(),
    JSON.stringify(await request.allHeaders()),
    request.postData() ?? '',
    response ? JSON.stringify(await response.allHeaders()) : '',
    // Preflights and empty answers have none.
    (await response?.text().catch(() => '')) ?? '',
  ]
  return { url: request.url(), method: request.method(), all: all.join('\n') }
}

/** Addresses that are not on this machine. */
export function offSite(exchanges: readonly Exchange[]): string[] {
  return exchanges.map(({ url }) => url).filter((url) => new URL(url).hostname !== '127.0.0.1')
}
