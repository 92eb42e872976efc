import {
  type HttpClient,
  HttpClientError,
  type HttpRequest,
  type HttpResponse,
  MAX_REPLY_BYTES,
} from '../../http-client.ts'

/**
 * What Cloudflare's network answers in place of a server that it could not speak to: refused, no
 * route, failed TLS, no such name. None of them was written by the server. 522 is not among them: it
 * also stands for a server that took the connection and then fell silent.
 */
const neverReached = new Set([521, 523, 525, 526, 530])

/**
 * The HTTP client on the platform's `fetch`. A broken connection is always `connection_lost`: the platform does not
 * say whether the request was on its way by then.
 */
export const fetchClient: HttpClient = { request }

async function request(wanted: HttpRequest): Promise<HttpResponse> {
  const { method, url, headers, body, timeoutMs, signal } = wanted
  const timeout = AbortSignal.timeout(Math.ceil(timeoutMs))
  try {
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      // Cloudflare's cache would keep key sets, and details of files whose names look static.
      cache: 'no-store',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
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
    if (timeout.aborted) throw new HttpClientError('timeout')
    if (signal?.aborted) throw new HttpClientError('aborted')
    throw new HttpClientError('connection_lost')
  }
}

/** The body as text, read no further than the longest reply that is taken. */
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
