import { type Dispatcher, request } from 'undici'
import { PassingFault, retrying } from './retry.ts'

/** An upload that is given up is worth no longer wait than this. */
const ABORT_TIMEOUT_MS = 5_000

/** What the gateway hands out for sending parts to COS. */
interface Credentials {
  domain: string
  path: string
  uploadId: string
  headers: Record<string, string>
  confirmKey: string
}

export interface Grant {
  credentials: Credentials
  /** Milliseconds from the answer until the credentials stop working. */
  lifetimeMs: number
}

/** What is used here of the gateway's answer to a completed upload. */
export interface StoredFile {
  path: string[]
  name: string
  size: number
  crc64: string
}

/** The gateway's refusal, in its own public words. */
export class GatewayRefusal extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'GatewayRefusal'
    this.code = code
  }
}

export interface GatewayCallsOptions {
  gatewayUrl: string
  /** The user's JWT, asked for before each call. */
  token: () => Promise<string>
  dispatcher: Dispatcher
  firstDelayMs: number
  signal: AbortSignal
}

/** The gateway's endpoints for one user, each tried again where that does no harm. */
export function createGatewayCalls(options: GatewayCallsOptions) {
  const { gatewayUrl, token, dispatcher, firstDelayMs, signal } = options

  async function call(
    method: 'POST' | 'DELETE',
    path: string,
    { body, signal }: { body?: object; signal?: AbortSignal } = {},
  ) {
    const authorization = `Bearer ${await token()}`
    const reply = await request(gatewayUrl + path, {
      method,
      dispatcher,
      headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    }).catch((cause) => {
      throw new PassingFault('the gateway cannot be reached', { cause })
    })
    const text = await reply.body.text().catch((cause) => {
      throw new PassingFault("the gateway's answer was lost", { cause })
    })
    if (reply.statusCode >= 400) throw refusalOf(text, reply.statusCode, reply.headers)
    return { text, headers: reply.headers }
  }

  /** Repeats also what may have taken effect: the gateway gives the same answer again. */
  const repeat = <T>(work: () => Promise<T>) => retrying(work, { firstDelayMs, signal })

  return {
    /** Not to be interrupted: nobody else could name the upload that it may have begun. */
    async begin(wanted: { path: string; size: number }): Promise<Grant> {
      const once = () => call('POST', '/v1/uploads', { body: wanted })
      return toGrant(
        await retrying(() => once().catch(onlyWhenTurnedAway), { firstDelayMs, signal }),
      )
    },
    renew: (confirmKey: string): Promise<Grant> =>
      repeat(async () =>
        toGrant(await call('POST', `/v1/uploads/${confirmKey}/renew`, { signal })),
      ),
    complete: (confirmKey: string, crc64: string): Promise<StoredFile> =>
      repeat(async () => {
        const path = `/v1/uploads/${confirmKey}/complete`
        const { text } = await call('POST', path, { body: { crc64 }, signal })
        return JSON.parse(text) as StoredFile
      }),
    async abort(confirmKey: string): Promise<void> {
      const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS)
      await call('DELETE', `/v1/uploads/${confirmKey}`, { signal })
    },
  }
}

/** A begin that was lost may have begun: repeating it could store the file twice. */
function onlyWhenTurnedAway(error: unknown): never {
  if (error instanceof PassingFault && error.afterMs === undefined) {
    throw new Error(error.message, { cause: error })
  }
  throw error
}

function refusalOf(
  text: string,
  status: number,
  headers: Record<string, string | string[] | undefined>,
): Error {
  const { code, detail, errors } = problemOf(text)
  const fields = errors?.map(({ field, message }) => `${field} ${message}`).join('; ')
  const message = `the gateway says: ${detail ?? `status ${status}`}${fields ? ` (${fields})` : ''}`
  const seconds = Number(headers['retry-after'])
  if (Number.isFinite(seconds)) return new PassingFault(message, { afterMs: seconds * 1000 })
  return status >= 500 ? new PassingFault(message) : new GatewayRefusal(code ?? 'unknown', message)
}

function problemOf(text: string): {
  code?: string
  detail?: string
  errors?: { field: string; message: string }[]
} {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

function toGrant({ text, headers }: Awaited<{ text: string; headers: object }>): Grant {
  const { 'upload-expires': expires, date } = headers as Record<string, string>
  return {
    credentials: JSON.parse(text) as Credentials,
    // By the gateway's clock on both sides, so that ours may be wrong.
    lifetimeMs: Date.parse(expires ?? '') - Date.parse(date ?? ''),
  }
}
