import { MAX_REPLY_CHARS, type PartReply, type SendPart } from './send-part.ts'
import { release } from './source.ts'

/** The part of a request that takes the body. */
interface Sending {
  write(chunk: Uint8Array, flushed: (error?: Error | null) => void): unknown
  end(): unknown
}

/**
 * By Node's own HTTP client; undefined where there is none. Unlike `fetch` it tells how far a body has
 * got, and when the bytes that were read are no longer needed: a large file takes little memory.
 */
export function sendByNode(): SendPart | undefined {
  const { process } = globalThis as { process?: NodeJS.Process }
  if (process?.release?.name !== 'node' || !process.getBuiltinModule) return undefined
  // Asked for by name at run time, so that no bundler looks for it.
  const http = process.getBuiltinModule('node:http')
  const https = process.getBuiltinModule('node:https')
  return ({ url, headers, body, signal, onSent }) =>
    new Promise((resolve, reject) => {
      const { request } = url.startsWith('https:') ? https : http
      const length = { 'Content-Length': String(body.size) }
      const sending = request(url, { method: 'PUT', headers: { ...headers, ...length }, signal })
      sending.on('error', reject)
      sending.once('response', (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (piece) => {
          text += piece
          if (text.length >= MAX_REPLY_CHARS) finish()
        })
        answer.on('error', reject)
        answer.once('end', finish)
        function finish() {
          // A refusal may come before the end of the body, which then nobody wants.
          if (!sending.writableFinished) sending.destroy()
          const header: PartReply['header'] = (name) => {
            const value = answer.headers[name.toLowerCase()]
            return value === undefined ? null : String(value)
          }
          resolve({ status: answer.statusCode ?? 0, header, text })
          if (!answer.complete) answer.destroy()
        }
      })
      sendBody(sending, body, onSent).catch((cause) => sending.destroy(cause))
    })
}

async function sendBody(
  sending: Sending,
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
