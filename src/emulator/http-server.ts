import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Fault, Faults, Hit } from './faults.ts'
import type { RecordedCall, Recorder } from './recorder.ts'
import type { RouteName } from './route-names.ts'

export interface Incoming {
  route: RouteName
  method: string
  /** Raw, without the query: percent-encoding as it was received. */
  path: string
  query: URLSearchParams
  /** As it was received, without the question mark. */
  rawQuery: string
  headers: Record<string, string>
  /** The SMH side's bodies are read whole; on the COS side this is empty and `stream` is not. */
  body: string
  stream: IncomingMessage
  requestId: string
  record: RecordedCall
  /** The COS side awaits it when it has read an upload and before it stores it. */
  waitAtLastByte(): Promise<void>
}

export interface Reply {
  status: number
  headers?: Record<string, string>
  body?: string | Readable
}

/** One of the two servers, seen from the HTTP machinery that they share. */
export interface Server {
  host: 'smh' | 'cos'
  newRequestId(): string
  /** Reads what is needed of the body and names the call. Throws like `answer`. */
  open(request: Incoming): Promise<void>
  answer(request: Incoming): Promise<Reply>
  /** The reply for anything thrown by `open` or `answer`. */
  refuse(error: unknown, request: Incoming): Reply
  /** The reply that a fault asks for. */
  force(fault: Fault, request: Incoming): Reply
  /** Headers that every reply carries. */
  commonHeaders(request: Incoming): Record<string, string>
}

/**
 * Serves one request: records it, applies faults, answers. It works on node:http itself because
 * raw paths, torn connections and streamed bodies do not survive a web Request unharmed.
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
  // An answer given before the body was read must not cut the sender off in mid-sentence.
  if (!stream.readableEnded) stream.resume()
  if (response.destroyed) return // The caller has gone; nobody was answered.
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

/** A fault that only delays, or only adds headers, leaves the call to be processed. */
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

/** Splits at the first `separator`; the second half is missing when there is none. */
function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}
