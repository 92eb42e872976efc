import { connect } from 'node:net'

/**
 * Sends bytes that no HTTP client would. Resolves to the received bytes when the other side closes, or when
 * `enough` of them have arrived.
 */
export function sendRaw(
  url: string,
  pieces: readonly (string | Uint8Array)[],
  enough: (received: string) => boolean = () => false,
): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(Number(port), hostname)
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      received += chunk
      if (enough(received)) socket.destroy()
    })
    // A client that is refused while it sends may see the connection reset. The bytes received count.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error)
    })
    socket.on('close', () => resolve(received))
    for (const piece of pieces) socket.write(piece)
  })
}

/** Status, headers in lower case, and body of the first answer in `received`. */
export function readAnswer(received: string) {
  const [head = '', body = ''] = splitOnce(received, '\r\n\r\n')
  const [line = '', ...fields] = head.split('\r\n')
  return {
    status: Number(line.split(' ')[1]),
    headers: new Headers(fields.map((field) => splitOnce(field, ': ') as [string, string])),
    body,
  }
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}
