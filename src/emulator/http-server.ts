import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Fault, Faults, Hit } from './faults.ts'
import type { RecordedCall, Recorder } from './recorder.ts'
import type { RouteName } from './route-names.ts'

export interface Incoming {
  route: RouteName
  method: string
  /** As received, percent-encoded, without the query. */
  path: string
  query: URLSearchParams
  /** As received, without the question mark. */
  rawQuery: string
  headers: Record<string, string>
  /** The whole body of a call to SMH. Empty for COS, which reads `stream`. */
  body: string
  stream: IncomingMessage
  requestId: string
  record: RecordedCall
  /** COS awaits it after it has read an upload and before it stores the upload. */
  waitAtLastByte(): Promise<void>
}

export interface Reply {
  status: number
  headers?: Record<string, string>
  body?: string | Readable
}

/** What differs between the SMH server and the COS server. */
export interface Server {
  host: 'smh' | 'cos'
  newRequestId(): string
  /** Reads the body if the server needs it, and sets the route. Throws like `answer`. */
  open(request: Incoming): Promise<void>
  answer(request: Incoming): Promise<Reply>
  /** The reply for an error of `open` or `answer`. */
  refuse(error: unknown, request: Incoming): Reply
  /** The reply of a fault. */
  force(fault: Fault, request: Incoming): Reply
  /** Headers of every reply. */
  commonHeaders(request: Incoming): Record<string, string>
}

/**
 * Serves one request: records it, applies faults, answers. It uses node:http directly, because a web
 * Request loses raw paths, broken connections and streamed bodies.
 */
export async function serveRequest(
  server: Server,
  recorder: Recorder,
  faults: Faults,
  stream: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [rawPath = '', rawQuery = ''] = splitOnce(stream.url ?? '', '?')
  const url = new URL(`http://emulator/?${rawQuery}`)
  const record = recorder.start(server.host, stream, url, rawPath)
  const request: Incoming = {
    route: 'unknown',
    method: record.method,
    path: rawPath,
    query: url.searchParams,
    rawQuery,
    headers: record.headers,
    body: '',
    stream,
    requestId: server.newRequestId(),
    record,
    waitAtLastByte: () => Promise.resolve(),
  }
  const { reply, fault } = await decide(server, faults, request)
  if (reply === 'drop') {
    stream.socket.destroy()
    return
  }
  // Reads the rest of the body, so that an early response does not break the connection.
  if (!stream.readableEnded) stream.resume()
  if (response.destroyed) return // The client has disconnected.
  record.status = reply.status
  if (faults.endsConnections(server.host)) response.shouldKeepAlive = false
  response.writeHead(reply.status, {
    ...server.commonHeaders(request),
    ...reply.headers,
    ...lengthOf(reply),
  })
  if (reply.body === undefined || typeof reply.body === 'string') {
    await sendText(reply.body ?? '', fault, faults, response)
  } else await pipeline(reply.body, response)
}

async function sendText(
  text: string,
  fault: Fault | undefined,
  faults: Faults,
  response: ServerResponse,
): Promise<void> {
  const cut = fault?.drop === 'midway'
  if (text === '' || (!cut && fault?.bodyDelayMs === undefined)) {
    response.end(text)
    return
  }
  const half = text.length / 2
  response.flushHeaders()
  await new Promise((resolve) => response.write(text.slice(0, half), resolve))
  const goOn = !cut && (await faults.delay(fault?.bodyDelayMs ?? 0))
  if (goOn) response.end(text.slice(half))
  else response.destroy()
}

interface Decision {
  reply: Reply | 'drop'
  fault?: Hit | undefined
}

async function decide(server: Server, faults: Faults, request: Incoming): Promise<Decision> {
  let refused: Reply | undefined
  try {
    await server.open(request)
  } catch (error) {
    refused = server.refuse(error, request)
  }
  request.record.route = request.route
  const fault = faults.take(request.record)
  if (fault?.hold?.at === 'last-byte') request.waitAtLastByte = fault.hold.wait
  if (fault?.hold?.at === 'arrival') await fault.hold.wait()
  if (fault?.drop === 'before') return { reply: 'drop' }
  if (fault?.delayMs !== undefined && !(await faults.delay(fault.delayMs))) {
    return { reply: 'drop' }
  }
  await fault?.until?.()
  const replaced = fault && (!fault.drop || fault.drop === 'midway') && replaces(fault)
  if (replaced) return { reply: server.force(fault, request), fault }
  const reply = refused ?? (await answerOrRefuse(server, request))
  if (fault?.drop === 'after' || faults.losesConfirm(request.record, reply.status)) {
    return { reply: 'drop' }
  }
  return { reply: { ...reply, headers: { ...reply.headers, ...fault?.headers } }, fault }
}

async function answerOrRefuse(server: Server, request: Incoming): Promise<Reply> {
  try {
    return await server.answer(request)
  } catch (error) {
    return server.refuse(error, request)
  }
}

/** Whether a fault replaces the processing of the call, and does more than delay or add headers. */
function replaces(fault: Fault): boolean {
  return fault.status !== undefined || fault.code !== undefined || fault.body !== undefined
}

function lengthOf(reply: Reply): Record<string, string> {
  if (reply.status === 204 || reply.status === 304) return {}
  if (reply.headers?.['Content-Length'] !== undefined) return {}
  if (reply.body === undefined) return { 'Content-Length': '0' }
  if (typeof reply.body !== 'string') return {}
  return { 'Content-Length': String(Buffer.byteLength(reply.body)) }
}

/** Splits at the first `separator`. Without one, the second half is missing. */
function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}
