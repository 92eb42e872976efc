import { nodeProcess } from './node-process.ts'
import { MAX_REPLY_CHARS, type PartReply, type SendPart } from './send-part.ts'
import { release } from './source.ts'

/** The part of Node's HTTP client that is used here. */
interface NodeHttp {
  request: StartRequest
}

type StartRequest = (
  url: string,
  options: { method: string; headers: Record<string, string>; signal: AbortSignal },
) => ClientRequest

interface ClientRequest {
  readonly writableFinished: boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  once(event: 'response', listener: (response: IncomingMessage) => void): unknown
  write(chunk: Uint8Array, flushed: (error?: Error | null) => void): unknown
  end(): unknown
  destroy(error?: Error): unknown
}

interface IncomingMessage {
  readonly statusCode?: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly complete: boolean
  setEncoding(encoding: 'utf8'): this
  on(event: 'data', listener: (text: string) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  once(event: 'end', listener: () => void): unknown
  destroy(): unknown
}

/**
 * Sends parts with Node's HTTP client. Returns undefined on other runtimes. Unlike `fetch`, that client
 * reports upload progress, and when a chunk is no longer needed: large files take little memory.
 */
export function sendByNode(): SendPart | undefined {
  const process = nodeProcess()
  if (!process?.getBuiltinModule) return undefined
  // Loaded by name at run time, so that bundlers do not try to resolve it.
  const http = process.getBuiltinModule('node:http') as NodeHttp
  const https = process.getBuiltinModule('node:https') as NodeHttp
  return ({ url, headers, body, signal, onSent }) =>
    new Promise((resolve, reject) => {
      const { request } = url.startsWith('https:') ? https : http
      const length = { 'Content-Length': String(body.size) }
      const sending = request(url, { method: 'PUT', headers: { ...headers, ...length }, signal })
      sending.on('error', reject)
      sending.once('response', (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (piece) => {
          text += piece
          if (text.length >= MAX_REPLY_CHARS) finish()
        })
        response.on('error', reject)
        response.once('end', finish)
        function finish() {
          // COS may reject a part before it has received the whole body. The rest is not sent.
          if (!sending.writableFinished) sending.destroy()
          const header: PartReply['header'] = (name) => {
            const value = response.headers[name.toLowerCase()]
            return value === undefined ? null : String(value)
          }
          resolve({ status: response.statusCode ?? 0, header, text })
          if (!response.complete) response.destroy()
        }
      })
      sendBody(sending, body, onSent).catch((cause) => sending.destroy(cause))
    })
}

async function sendBody(
  sending: ClientRequest,
  body: Blob,
  onSent: (bytes: number) => void,
): Promise<void> {
  const reader = body.stream().getReader()
  let sent = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      const { length } = value
      await new Promise<void>((resolve, reject) => {
        sending.write(value, (error) => (error ? reject(error) : resolve()))
      })
      release(value)
      sent += length
      onSent(sent)
    }
    sending.end()
  } finally {
    reader.cancel().catch(() => {})
  }
}
