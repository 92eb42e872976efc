import type { IncomingMessage } from 'node:http'
import type { RouteName } from './route-names.ts'

/** A received call. */
export interface RecordedCall {
  host: 'smh' | 'cos'
  route: RouteName
  method: string
  /** The user of the token, otherwise `user_id`. For COS: the upload's owner. '' without a user. */
  userId: string
  /** As received, without the query. */
  path: string
  query: Record<string, string>
  headers: Record<string, string>
  /** Only for calls to SMH. */
  body?: string
  bodyBytes: number
  /** null: no response yet, or a dropped connection. */
  status: number | null
}

/** Limits the memory of an emulator that runs for long. The oldest calls are dropped first. */
const MAX_CALLS = 50_000

/** Records calls, oldest first. */
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
