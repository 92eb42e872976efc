import { retryAfterMs, untilByServer } from './clock.ts'
import { UploadError } from './errors.ts'
import type {
  BeginUpload,
  CompleteUpload,
  InstantUpload,
  StoredFile,
  UploadCredentials,
  UploadStatus,
} from './gateway-types.ts'
import {
  isCredentials,
  isInstantUploadResult,
  isProblem,
  isStoredFile,
  isUploadStatus,
  readText,
} from './responses.ts'
import type { Retrying } from './retry.ts'
import { isOffline } from './wait.ts'

/** Longer than any answer of the gateway takes. */
const CALL_TIMEOUT_MS = 3 * 60_000
/** An upload that is given up is worth no longer wait than this. */
const ABORT_TIMEOUT_MS = 10_000
/** Characters of a response. The longest, a status with 10,000 parts, has 1.5 million. */
const MAX_RESPONSE_CHARS = 4 * 1024 * 1024

/** Credentials for sending parts, and how long they work: NaN when the gateway did not say. */
export interface SignedCredentials {
  credentials: UploadCredentials
  lifetimeMs: number
}

/** The outcome of an instant upload. */
export type InstantOutcome =
  | { kind: 'stored'; file: StoredFile }
  | { kind: 'full_hash_required' }
  | { kind: 'upload_required'; signed: SignedCredentials }

export interface GatewayOptions {
  gateway: URL
  getToken: () => string | Promise<string>
  fetch: typeof globalThis.fetch
  retrying: Retrying
}

interface GatewayResponse {
  status: number
  headers: Headers
  body: unknown
}

interface Call {
  method: 'GET' | 'POST' | 'DELETE'
  /** What comes after `v1`. */
  path: string
  headers?: Record<string, string>
  body?: object
  signal?: AbortSignal
}

export type Gateway = ReturnType<typeof createGateway>

/** The gateway's calls for one user, each repeated where that does no harm. */
export function createGateway({ gateway, getToken, fetch, retrying }: GatewayOptions) {
  // A gateway may live below a path of its host.
  const base = `${gateway.origin}${gateway.pathname.replace(/\/$/, '')}/v1`

  /** One request with a token, or two when the first token is refused. */
  async function call(wanted: Call): Promise<GatewayResponse> {
    const response = await send(wanted)
    return requireSuccess(response.status === 401 ? await send(wanted) : response)
  }

  async function send({ method, path, headers, body, signal }: Call): Promise<GatewayResponse> {
    const token = await tokenOf(getToken)
    const timeout = AbortSignal.timeout(CALL_TIMEOUT_MS)
    try {
      const reply = await fetch(base + path, {
        method,
        headers: {
          ...headers,
          Authorization: `Bearer ${token}`,
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        credentials: 'omit',
        // Elsewhere is no gateway, and would be told what is uploaded.
        redirect: 'error',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      })
      const text = await readText(reply, MAX_RESPONSE_CHARS)
      return { status: reply.status, headers: reply.headers, body: parsed(text) }
    } catch (cause) {
      signal?.throwIfAborted()
      throw unreachable(cause)
    }
  }

  const one = (confirmKey: string, action = '') =>
    `/uploads/${encodeURIComponent(confirmKey)}${action}`
  const repeat = (wanted: Call, signal: AbortSignal) =>
    retrying(() => call({ ...wanted, signal }), { signal })

  /**
   * Repeated only where that stores nothing twice: a second begin is a second upload, of which the
   * first one is never completed, but with the full hash it may be a second file. The signal ends
   * waits but no request: only its response can name the upload that this may have begun.
   */
  async function beginBy(
    path: string,
    body: BeginUpload & Pick<InstantUpload, 'fullHash'>,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<GatewayResponse> {
    let unsent: unknown
    async function begin() {
      // A begin that is lost is not repeated, so none is sent without a network. Browsers may err.
      if (!isOffline() || unsent) return call({ method: 'POST', path, headers, body })
      unsent = unreachable(undefined)
      throw unsent
    }
    return retrying(begin, {
      signal,
      repeatable: (error) => {
        const { code, status, retryAfterMs } = error
        if (error === unsent) return true
        // With these alone SMH has certainly not heard of it.
        if (body.fullHash !== undefined) return code === 'rate_limited' || code === 'overloaded'
        return (status === 429 || status === 503) && retryAfterMs !== undefined
      },
    })
  }

  return {
    async begin(
      body: BeginUpload,
      headers: Record<string, string>,
      signal: AbortSignal,
    ): Promise<SignedCredentials> {
      const response = await beginBy('/uploads', body, headers, signal)
      return signedCredentialsOf(response, bodyOf(response, isCredentials))
    },

    /** A begin with hashes: SMH may have the file already. */
    async instant(
      body: InstantUpload,
      headers: Record<string, string>,
      signal: AbortSignal,
    ): Promise<InstantOutcome> {
      const response = await beginBy('/instant-uploads', body, headers, signal)
      const { outcome, file, credentials } = bodyOf(response, isInstantUploadResult)
      if (outcome === 'stored' && file) return { kind: outcome, file }
      if (outcome === 'full_hash_required') return { kind: outcome }
      if (outcome === 'upload_required' && credentials) {
        return { kind: outcome, signed: signedCredentialsOf(response, credentials) }
      }
      throw invalidResponse(response)
    },

    async status(confirmKey: string, signal: AbortSignal): Promise<UploadStatus> {
      const response = await repeat({ method: 'GET', path: one(confirmKey) }, signal)
      return bodyOf(response, isUploadStatus)
    },

    /** Whether the gateway can be reached now, by one request. */
    async isReachable(confirmKey: string, signal: AbortSignal): Promise<boolean> {
      const sent = send({ method: 'GET', path: one(confirmKey), signal })
      return sent.then(
        () => true,
        () => false,
      )
    },

    async renew(
      confirmKey: string,
      trafficLimit: number | undefined,
      signal: AbortSignal,
    ): Promise<SignedCredentials> {
      const path = one(confirmKey, '/renew')
      const body = trafficLimit === undefined ? {} : { trafficLimit }
      const response = await repeat({ method: 'POST', path, body }, signal)
      return signedCredentialsOf(response, bodyOf(response, isCredentials))
    },

    async complete(
      confirmKey: string,
      body: CompleteUpload,
      signal: AbortSignal,
    ): Promise<StoredFile> {
      const path = one(confirmKey, '/complete')
      const response = await repeat({ method: 'POST', path, body }, signal)
      return bodyOf(response, isStoredFile)
    },

    async abort(confirmKey: string): Promise<void> {
      const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS)
      await repeat({ method: 'DELETE', path: one(confirmKey) }, signal).catch((error) => {
        throw signal.aborted ? unreachable(error) : error
      })
    },
  }
}

function unreachable(cause: unknown): UploadError {
  const page = globalThis.location?.origin
  const hint = page ? ` Its CORS_ORIGINS needs ${page} as well.` : ''
  const message = `The gateway cannot be reached.${hint}`
  return new UploadError('network', message, { cause, retryable: true })
}

async function tokenOf(getToken: GatewayOptions['getToken']): Promise<string> {
  try {
    // What an app gives need not be what the types say.
    const token: unknown = await getToken()
    if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token
    throw new TypeError('The token has characters that no header can carry.')
  } catch (cause) {
    throw new UploadError('token', 'There is no token for the gateway.', { cause })
  }
}

/** @throws UploadError unless the answer is a success */
function requireSuccess(response: GatewayResponse): GatewayResponse {
  const { status, headers } = response
  if (status >= 200 && status < 300) return response
  const problem = isProblem(response.body) ? response.body : undefined
  const { code = 'bad_answer', requestId, errors, missingParts } = problem ?? {}
  const message = problem?.detail ?? `The gateway answers ${status}.`
  const faults = (errors ?? []).map((fault) => `${fault.field}: ${fault.message}`)
  throw new UploadError(code, [message, ...faults].join(' '), {
    status,
    requestId: requestId ?? headers.get('X-Request-Id') ?? undefined,
    // 507 is a full space, which does not pass.
    retryable: [408, 429, 500, 502, 503, 504].includes(status),
    errors,
    missingParts,
    retryAfterMs: retryAfterMs(headers),
  })
}

/** The body of a success; something in between may have answered in the gateway's place. */
function bodyOf<Body>(response: GatewayResponse, isRight: (body: unknown) => body is Body): Body {
  if (isRight(response.body)) return response.body
  throw invalidResponse(response)
}

function invalidResponse({ status }: GatewayResponse): UploadError {
  return new UploadError('bad_answer', 'This is no answer of the gateway.', { status })
}

function signedCredentialsOf(
  { headers }: GatewayResponse,
  credentials: UploadCredentials,
): SignedCredentials {
  return {
    credentials,
    lifetimeMs: untilByServer(headers, headers.get('Upload-Expires')),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
