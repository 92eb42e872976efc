import type { IncomingMessage } from 'node:http'
import type { RouteName } from './route-names.ts'

/** One call as the emulator received it. */
export interface RecordedCall {
  host: 'smh' | 'cos'
  route: RouteName
  method: string
  /** The user of the token, otherwise `user_id`; on the COS side the upload's owner. '' is none. */
  userId: string
  /** Raw, as received, without the query. */
  path: string
  query: Record<string, string>
  headers: Record<string, string>
  /** The SMH side's bodies only. */
  body?: string
  bodyBytes: number
  /** null: no answer yet, or the connection was dropped. */
  status: number | null
}

/** An emulator left running must not grow for ever; the oldest calls go first. */
const MAX_CALLS = 50_000

/** Keeps every call, oldest first. */
export function createRecorder() {
  const calls: RecordedCall[] = []
  return {
    start(
      host: RecordedCall['host'],
      request: IncomingMessage,
      url: URL,
      path: string,
    ): RecordedCall {
      const call: RecordedCall = {
        host,
        route: 'unknown',
        method: request.method ?? '',
        userId: '',
        path,
        query: Object.fromEntries(url.searchParams),
        headers: Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        ),
        bodyBytes: 0,
        status: null,
      }
      calls.push(call)
      if (calls.length > MAX_CALLS) calls.shift()
      return call
    },
    calls: () => calls.map((call) => structuredClone(call)),
    each(look: (call: Readonly<RecordedCall>) => void) {
      calls.forEach(look)
    },
    clear() {
      calls.length = 0
    },
  }
}

export type Recorder = ReturnType<typeof createRecorder>
