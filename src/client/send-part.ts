import { readText } from './responses.ts'

/** Limits how much of a response is read. Responses of COS have less than 1,000 characters. */
export const MAX_REPLY_CHARS = 64 * 1024

/** A request that sends a part to COS. */
interface PartRequest {
  url: string
  headers: Record<string, string>
  body: Blob
  signal: AbortSignal
  /** Receives the number of bytes sent so far, where the runtime reports it. */
  onSent: (bytes: number) => void
}

/** A response of COS. */
export interface PartReply {
  status: number
  header: (name: string) => string | null
  text: string
}

/** Sends the bytes of a part. Rejects with the runtime's error when the network fails. */
export type SendPart = (request: PartRequest) => Promise<PartReply>

/**
 * Prevents Node's fetch from keeping a copy of the body, which it does when it may follow a redirect or
 * ask a window for credentials. COS never redirects a part.
 */
const WITHOUT_BODY_COPY = { redirect: 'error', window: null } as const

/** Sends parts with `fetch`, which every runtime has. It reports no upload progress. */
export function sendByFetch(fetch: typeof globalThis.fetch): SendPart {
  return async ({ url, headers, body, signal }) => {
    const response = await fetch(url, {
      method: 'PUT',
      headers,
      body,
      signal,
      credentials: 'omit',
      ...WITHOUT_BODY_COPY,
    })
    return {
      status: response.status,
      header: (name) => response.headers.get(name),
      text: await readText(response, MAX_REPLY_CHARS),
    }
  }
}

/** Sends parts with XMLHttpRequest, the only browser API that reports upload progress. */
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

/** Reads a header. `getResponseHeader` would write an error to the console if COS does not expose it. */
function headerOf(xhr: XMLHttpRequest, name: string): string | null {
  const start = `${name.toLowerCase()}: `
  const lines = xhr.getAllResponseHeaders().split('\r\n')
  const line = lines.find((candidate) => candidate.toLowerCase().startsWith(start))
  return line?.slice(start.length) ?? null
}
