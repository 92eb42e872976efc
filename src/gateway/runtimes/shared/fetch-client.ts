import {
  type HttpClient,
  HttpClientError,
  type HttpRequest,
  type HttpResponse,
  MAX_REPLY_BYTES,
} from '../../http-client.ts'

/**
 * Statuses that Cloudflare's network sends when it did not reach the server: connection refused, no
 * route, TLS failure, unknown host name. 522 is not among them: it can also mean that the server accepted
 * the connection and then sent nothing.
 */
const neverReached = new Set([521, 523, 525, 526, 530])

/**
 * The HTTP client on the platform's `fetch`. A failed connection is always `connection_lost`: the platform
 * does not report whether it had sent the request.
 */
export const fetchClient: HttpClient = { request }

async function request(wanted: HttpRequest): Promise<HttpResponse> {
  const { method, url, headers, body, timeoutMs, signal } = wanted
  const stop = new AbortController()
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    stop.abort()
  }, timeoutMs)
  const abort = () => stop.abort()
  if (signal?.aborted) stop.abort()
  signal?.addEventListener('abort', abort)
  try {
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      // Otherwise Cloudflare caches key sets, and responses for files with static extensions.
      cache: 'no-store',
      signal: stop.signal,
      ...(headers && { headers }),
      ...(body !== undefined && { body }),
    })
    if (neverReached.has(response.status)) throw new HttpClientError('connect_failed')
    const text = await readText(response)
    return {
      status: response.status,
      header: (name) => response.headers.get(name) ?? undefined,
      text,
    }
  } catch (error) {
    if (error instanceof HttpClientError) throw error
    if (timedOut) throw new HttpClientError('timeout')
    if (signal?.aborted) throw new HttpClientError('aborted')
    throw new HttpClientError('connection_lost')
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** Reads the body as text, at most {@link MAX_REPLY_BYTES}. */
async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true }
    if (done || !value) return text + decoder.decode()
    bytes += value.byteLength
    if (bytes > MAX_REPLY_BYTES) {
      await reader?.cancel()
      throw new HttpClientError('too_large')
    }
    text += decoder.decode(value, { stream: true })
  }
}
