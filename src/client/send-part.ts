import { readText } from './responses.ts'

/** Characters that are read of an answer of COS, which has less than a thousand. */
export const MAX_REPLY_CHARS = 64 * 1024

/** What COS is sent. */
interface PartRequest {
  url: string
  headers: Record<string, string>
  body: Blob
  signal: AbortSignal
  /** Told how many bytes are on their way, where the runtime knows. */
  onSent: (bytes: number) => void
}

/** What COS answers. */
export interface PartReply {
  status: number
  header: (name: string) => string | null
  text: string
}

/** Sends the bytes of a part; rejects with whatever the runtime gives when the network fails. */
export type SendPart = (request: PartRequest) => Promise<PartReply>

/**
 * COS redirects no part. Without a redirect to follow and a window to ask, Node's fetch does not keep
 * a copy of the body: it would hold all parts on their way in memory, however large they are.
 */
const IN_LITTLE_MEMORY = { redirect: 'error', window: null } as const

/** By `fetch`: everywhere, but it does not tell how far a body has got. */
export function sendByFetch(fetch: typeof globalThis.fetch): SendPart {
  return async ({ url, headers, body, signal }) => {
    const response = await fetch(url, {
      method: 'PUT',
      headers,
      body,
      signal,
      credentials: 'omit',
      ...IN_LITTLE_MEMORY,
    })
    return {
      status: response.status,
      header: (name) => response.headers.get(name),
      text: await readText(response, MAX_REPLY_CHARS),
    }
  }
}

/** By XMLHttpRequest: only browsers have it, and only it tells how far a body has got. */
export const sendByXhr: SendPart = ({ url, headers, body, signal, onSent }) =>
  new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const abort = () => xhr.abort()
    xhr.open('PUT', url)
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value)
    xhr.upload.onprogress = ({ loaded }) => onSent(loaded)
    function finish() {
      const header = (name: string) => headerOf(xhr, name)
      resolve({ status: xhr.status, header, text: xhr.responseText })
    }
    xhr.onload = finish
    xhr.onprogress = ({ loaded }) => {
      if (loaded < MAX_REPLY_CHARS) return
      finish()
      xhr.abort()
    }
    xhr.onerror = () => reject(new TypeError('The request failed.'))
    xhr.onabort = () => reject(signal.reason)
    xhr.onloadend = () => signal.removeEventListener('abort', abort)
    signal.addEventListener('abort', abort)
    xhr.send(body)
    if (signal.aborted) abort()
  })

/** Asked for a header that COS does not expose, a browser would complain on the console. */
function headerOf(xhr: XMLHttpRequest, name: string): string | null {
  const start = `${name.toLowerCase()}: `
  const lines = xhr.getAllResponseHeaders().split('\r\n')
  const line = lines.find((candidate) => candidate.toLowerCase().startsWith(start))
  return line?.slice(start.length) ?? null
}
